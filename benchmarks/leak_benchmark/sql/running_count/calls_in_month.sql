-- type: integer
SELECT d.decision_id,
  COUNT(*) OVER (PARTITION BY TIMESTAMP_TRUNC(d.decision_at, MONTH)) AS calls_in_month
FROM decisions AS d
