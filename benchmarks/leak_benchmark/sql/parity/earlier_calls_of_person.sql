-- type: integer
SELECT d.decision_id, COUNT(e.decision_id) AS earlier_calls_of_person
FROM decisions AS d
LEFT JOIN decisions AS e ON e.RepCRD = d.RepCRD AND e.decision_at < d.decision_at
GROUP BY d.decision_id
