-- type: number
SELECT d.decision_id,
  TIMESTAMP_DIFF(d.decision_at, LAG(d.decision_at) OVER (ORDER BY d.decision_at, d.decision_id), MINUTE)
    AS minutes_since_previous_call
FROM decisions AS d
