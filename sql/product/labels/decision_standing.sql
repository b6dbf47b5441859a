-- The decisions of the log as known at @as_of, and what, if anything, keeps each from having a label.
-- One row per row of decision_log (decision_id, entity, decision_at, outcome_at, outcome, excluded, known_at) known by
-- then. standing is the first that applies, NULL when nothing does:
--   no_decision        no decision had been taken before @as_of
--   excluded           the recipe excludes the row
--   unmatched_entity   the row names no entity
--   duplicate          another row of the same decision, or of the same entity at the same instant, comes first
--   recycled           within @recycle_after_days of the entity's decision before this one
-- parameter: as_of DATE
-- parameter: recycle_after_days INT64
WITH known AS (
  SELECT
    l.decision_id,
    l.entity,
    IF(l.decision_at < TIMESTAMP(@as_of), l.decision_at, NULL) AS decision_at,
    IF(l.outcome_at <= TIMESTAMP(@as_of), l.outcome_at, NULL) AS outcome_at,
    l.outcome,
    COALESCE(l.excluded, FALSE) AS excluded,
    l.known_at
  FROM decision_log AS l
  WHERE l.known_at < TIMESTAMP(@as_of)
),
numbered AS (
  SELECT
    k.*,
    ROW_NUMBER() OVER (
      PARTITION BY k.decision_id ORDER BY COALESCE(k.decision_at, TIMESTAMP(@as_of)), k.known_at
    ) AS place_in_decision,
    ROW_NUMBER() OVER (
      PARTITION BY k.entity, k.decision_at ORDER BY k.excluded, k.known_at, k.decision_id
    ) AS place_at_instant,
    LAG(k.decision_at) OVER (
      PARTITION BY k.entity ORDER BY k.decision_at, k.excluded, k.known_at, k.decision_id
    ) AS previous_at
  FROM known AS k
)
SELECT
  n.decision_id,
  n.entity,
  n.decision_at,
  n.outcome_at,
  n.outcome,
  CASE
    WHEN n.decision_at IS NULL THEN 'no_decision'
    WHEN n.excluded THEN 'excluded'
    WHEN n.entity IS NULL THEN 'unmatched_entity'
    WHEN n.place_in_decision > 1 OR n.place_at_instant > 1 THEN 'duplicate'
    WHEN @recycle_after_days > 0
      AND n.decision_at <= TIMESTAMP_ADD(n.previous_at, INTERVAL @recycle_after_days DAY) THEN 'recycled'
  END AS standing
FROM numbered AS n
