-- type: integer
SELECT d.decision_id, COUNT(*) OVER (ORDER BY d.decision_at DESC, d.decision_id) AS calls_to_come
FROM decisions AS d
