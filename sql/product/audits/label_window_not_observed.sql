-- Violations: training rows of @as_of whose label window had not been observed by then, or whose label is not the one
-- the log gave. One row per training row and fact: decision_id, fact, fact_at, decision_at.
-- parameter: as_of DATE
-- parameter: window_days INT64
SELECT
  t.decision_id,
  'the label window ends after the table was closed' AS fact,
  TIMESTAMP_ADD(t.decision_at, INTERVAL @window_days DAY) AS fact_at,
  t.decision_at
FROM training_table AS t
WHERE t.as_of = @as_of
  AND TIMESTAMP_ADD(t.decision_at, INTERVAL @window_days DAY) > TIMESTAMP(@as_of)
UNION ALL
SELECT
  t.decision_id,
  'the label was never observed' AS fact,
  t.decision_at AS fact_at,
  t.decision_at
FROM training_table AS t
LEFT JOIN labels AS l
  ON l.decision_id = t.decision_id AND l.as_of = t.as_of AND l.status = 'labelled' AND l.label = t.label
WHERE t.as_of = @as_of AND l.decision_id IS NULL
