-- type: integer
SELECT d.decision_id, COUNT(*) OVER (PARTITION BY d.RepCRD) AS calls_of_person FROM decisions AS d
