-- type: integer
SELECT d.decision_id, DATE_DIFF(DATE(d.decision_at), DATE '2024-01-01', MONTH) AS months_since_start
FROM decisions AS d
