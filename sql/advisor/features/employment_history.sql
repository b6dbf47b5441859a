-- Moves, prior firms and time in the industry from the representative's own history as known.
-- One row per decision with a history.
-- industry_tenure_months: months covered by at least one job, the current one included, overlaps counted once. Each
-- job adds the calendar months it reaches beyond all jobs begun before it; an open job reaches to the decision.
-- moves: ends older than 30 days before the decision, because an end is filed when the person has already left.
WITH jobs AS (
  SELECT
    k.decision_id,
    k.decision_date,
    k.available_at,
    k.firm,
    k.start_date,
    k.end_date,
    GREATEST(k.start_date, COALESCE(k.end_date, k.decision_date)) AS last_date
  FROM known_employment AS k
),
reaching AS (
  SELECT
    j.*,
    MAX(j.last_date) OVER (
      PARTITION BY j.decision_id
      ORDER BY j.start_date, j.last_date, j.firm
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS reached
  FROM jobs AS j
)
SELECT
  r.decision_id,
  SUM(
    GREATEST(0, DATE_DIFF(r.last_date, GREATEST(r.start_date, COALESCE(r.reached, r.start_date)), MONTH))
  ) AS industry_tenure_months,
  COUNT(DISTINCT r.firm) AS firms,
  COUNTIF(
    r.end_date >= DATE_SUB(r.decision_date, INTERVAL 3 YEAR)
    AND r.end_date < DATE_SUB(r.decision_date, INTERVAL 30 DAY)
  ) AS pit_moves_3yr,
  MAX(r.available_at) AS known_at,
  GREATEST(MAX(r.start_date), COALESCE(MAX(r.end_date), MAX(r.start_date))) AS newest_event
FROM reaching AS r
GROUP BY r.decision_id
