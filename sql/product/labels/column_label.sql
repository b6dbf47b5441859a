-- The label of every decision whose outcome (1, 0 or missing) stands in its own row, as known at @as_of.
-- One row per row of decision_log known by then. label is NULL unless status is 'labelled'. status is the standing of
-- the decision (decision_standing) or, where nothing stands against it:
--   right_censored     the outcome becomes known @window_days days after the decision, later than @as_of
--   missing_outcome    the outcome should have been known and is missing
--   labelled           label is the outcome
-- parameter: as_of DATE
-- parameter: window_days INT64
-- parameter: recycle_after_days INT64
WITH judged AS (
  SELECT
    s.*,
    CASE
      WHEN s.standing IS NOT NULL THEN s.standing
      WHEN TIMESTAMP_ADD(s.decision_at, INTERVAL @window_days DAY) > TIMESTAMP(@as_of) THEN 'right_censored'
      WHEN s.outcome IS NULL THEN 'missing_outcome'
      ELSE 'labelled'
    END AS status
  FROM decision_standing AS s
)
SELECT
  j.decision_id,
  j.entity,
  j.decision_at,
  j.outcome_at,
  IF(j.status = 'labelled', j.outcome, NULL) AS label,
  j.status
FROM judged AS j
