-- type: integer
SELECT d.decision_id, COUNT(DISTINCT e.PREVIOUS_REGISTRATION_COMPANY_START_DATE) AS jobs_as_known
FROM decisions AS d
LEFT JOIN employment_vintage AS e ON e.RIA_CONTACT_CRD_ID = d.RepCRD AND e.available_at <= d.decision_at
GROUP BY d.decision_id
