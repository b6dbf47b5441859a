-- The label of every decision as known at @as_of: positive when the outcome falls within the window.
-- One row per row of decision_log known by then. label is NULL unless status is 'labelled'. status is the standing of
-- the decision (decision_standing) or, where nothing stands against it:
--   negative_lag       the outcome lies before the decision
--   right_censored     the whole window had not been observed at @as_of, whatever had happened by then
--   labelled           label is 1 if the outcome lies at most @window_days days after the decision, else 0
-- Lags are elapsed time. A lag of exactly @window_days days is inside the window, and a window that ends exactly at
-- @as_of has been observed.
-- parameter: as_of DATE
-- parameter: window_days INT64
-- parameter: recycle_after_days INT64
WITH windows AS (
  SELECT s.*, TIMESTAMP_ADD(s.decision_at, INTERVAL @window_days DAY) AS window_end
  FROM decision_standing AS s
),
judged AS (
  SELECT
    w.*,
    CASE
      WHEN w.standing IS NOT NULL THEN w.standing
      WHEN w.outcome_at < w.decision_at THEN 'negative_lag'
      WHEN w.window_end > TIMESTAMP(@as_of) THEN 'right_censored'
      ELSE 'labelled'
    END AS status
  FROM windows AS w
)
SELECT
  j.decision_id,
  j.entity,
  j.decision_at,
  j.outcome_at,
  IF(j.status = 'labelled', IF(j.outcome_at <= j.window_end, 1, 0), NULL) AS label,
  j.status
FROM judged AS j
