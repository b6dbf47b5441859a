-- No company is written to before it was founded. Selects the rows that break the rule; none may be returned.
-- parameter: as_of DATE
SELECT
  t.decision_id,
  'months_since_foundation' AS fact,
  t.decision_at AS fact_at,
  t.decision_at
FROM training_table AS t
WHERE t.as_of = @as_of AND t.months_since_foundation < 0
