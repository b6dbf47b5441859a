-- type: integer
SELECT d.decision_id, COUNT(*) AS jobs_ever
FROM decisions AS d
JOIN employment_vintage AS e ON e.RIA_CONTACT_CRD_ID = d.RepCRD
GROUP BY d.decision_id
