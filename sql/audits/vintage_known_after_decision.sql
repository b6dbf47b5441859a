-- Violations: training rows of @as_of that used a vintage which arrived after the decision, or which does not exist.
-- One row per training row and source: decision_id, fact, fact_at, decision_at.
-- Does not believe the instants the row carries: takes only the name of the vintage (as_of) from it and asks the
-- vintage itself when it first arrived. Whether a later arrival was used too early, restated_after_decision tells by
-- the values.
-- parameter: as_of DATE
WITH arrived AS (
  SELECT c.source, c.as_of, MIN(c.available_at) AS available_at
  FROM vintage_calendar AS c
  GROUP BY c.source, c.as_of
),
used AS (
  SELECT t.decision_id, t.decision_at, 'rep' AS source, t.evidence_rep_vintage_as_of AS vintage
  FROM training_table AS t
  WHERE t.as_of = @as_of
  UNION ALL
  SELECT t.decision_id, t.decision_at, 'firm' AS source, t.evidence_firm_vintage_as_of AS vintage
  FROM training_table AS t
  WHERE t.as_of = @as_of
  UNION ALL
  SELECT t.decision_id, t.decision_at, 'employment' AS source, t.evidence_employment_vintage_as_of AS vintage
  FROM training_table AS t
  WHERE t.as_of = @as_of
  UNION ALL
  SELECT t.decision_id, t.decision_at, 'firm_history' AS source, t.evidence_firm_history_vintage_as_of AS vintage
  FROM training_table AS t
  WHERE t.as_of = @as_of
)
SELECT
  u.decision_id,
  CONCAT(u.source, ' vintage ', CAST(u.vintage AS STRING), IF(c.as_of IS NULL, ' does not exist', '')) AS fact,
  c.available_at AS fact_at,
  u.decision_at
FROM used AS u
LEFT JOIN arrived AS c
  ON c.source = u.source AND c.as_of = u.vintage
WHERE u.vintage IS NOT NULL AND (c.as_of IS NULL OR c.available_at > u.decision_at)
