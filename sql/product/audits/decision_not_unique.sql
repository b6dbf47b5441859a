-- Violations: decisions that stand more than once in the training table of @as_of, by their id or because a join
-- multiplied them. One row per such decision: decision_id, fact, fact_at, decision_at.
-- parameter: as_of DATE
SELECT
  t.decision_id,
  CONCAT(CAST(COUNT(*) AS STRING), ' rows of one decision') AS fact,
  MIN(t.decision_at) AS fact_at,
  MIN(t.decision_at) AS decision_at
FROM training_table AS t
WHERE t.as_of = @as_of
GROUP BY t.decision_id
HAVING COUNT(*) > 1
