-- Violations: training rows of @as_of taken from a row of the log that became known after the decision.
-- One row per training row: decision_id, fact, fact_at, decision_at.
-- parameter: as_of DATE
SELECT
  t.decision_id,
  'the row of the log became known after the decision' AS fact,
  MIN(l.known_at) AS fact_at,
  t.decision_at
FROM training_table AS t
JOIN decision_log AS l ON l.decision_id = t.decision_id
WHERE t.as_of = @as_of
GROUP BY t.decision_id, t.decision_at
HAVING MIN(l.known_at) > t.decision_at
