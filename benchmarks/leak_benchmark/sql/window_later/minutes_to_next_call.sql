-- type: number
SELECT d.decision_id,
  TIMESTAMP_DIFF(LEAD(d.decision_at) OVER (ORDER BY d.decision_at, d.decision_id), d.decision_at, MINUTE)
    AS minutes_to_next_call
FROM decisions AS d
