-- type: number
SELECT d.decision_id, r.DateOfHireAtCurrentFirm_NumberOfYears AS years_at_firm_latest
FROM decisions AS d
LEFT JOIN rep_latest AS r ON r.RepCRD = d.RepCRD
