-- type: integer
SELECT d.decision_id, COUNT(*) OVER (
    ORDER BY d.decision_at, d.decision_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS calls_so_far
FROM decisions AS d
