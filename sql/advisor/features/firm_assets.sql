-- Assets of the representative's current firm from the newest known extract of the monthly firm history.
-- One row per decision whose firm has a value there.
-- The month is the newest before the extract's as_of for which the extract states a value, not more than twelve months
-- back. It is never later than the month before the decision's (the original model's pit_month), and earlier where firms
-- report late or the extract is older: a value stands until the next one is known. Later extracts restate months: the
-- value is the one known then. Months are counted as YEAR * 12 + MONTH; January 2024 is 24289.
-- Grouping leaves the rows of extract_of as they are. Without it DuckDB may join decisions and extract on as_of alone
-- before it looks at the firm: every decision then meets every month of every firm, a megabyte each.
WITH extract_of AS (
  SELECT c.decision_id, c.firm, c.decision_at, v.as_of, MIN(v.available_at) AS available_at
  FROM current_employment AS c
  JOIN known_vintage AS v
    ON v.decision_id = c.decision_id AND v.table_name = 'firm_history_vintage'
  GROUP BY c.decision_id, c.firm, c.decision_at, v.as_of
),
stated AS (
  SELECT
    c.decision_id,
    h.as_of,
    h.available_at,
    h.YEAR * 12 + h.MONTH AS month,
    EXTRACT(YEAR FROM h.as_of) * 12 + EXTRACT(MONTH FROM h.as_of) - 12 AS oldest_month,
    h.TOTAL_AUM AS assets
  FROM extract_of AS c
  JOIN firm_history_vintage AS h
    ON h.RIA_INVESTOR_CRD_ID = c.firm AND h.as_of = c.as_of
    AND h.available_at >= c.available_at AND h.available_at <= c.decision_at
  WHERE h.TOTAL_AUM IS NOT NULL
    AND h.YEAR * 12 + h.MONTH < EXTRACT(YEAR FROM h.as_of) * 12 + EXTRACT(MONTH FROM h.as_of)
    AND (
      h.YEAR * 12 + h.MONTH >= EXTRACT(YEAR FROM h.as_of) * 12 + EXTRACT(MONTH FROM h.as_of) - 12
      OR h.YEAR * 12 + h.MONTH = 24289
    )
),
newest AS (
  SELECT s.*, MAX(IF(s.month = 24289, s.assets, NULL)) OVER (PARTITION BY s.decision_id) AS assets_jan2024
  FROM stated AS s
  QUALIFY ROW_NUMBER() OVER (PARTITION BY s.decision_id ORDER BY s.month DESC) = 1
)
SELECT
  n.decision_id,
  n.assets AS firm_aum_pit,
  IF(
    n.month >= 24289 AND n.assets_jan2024 > 0,
    SAFE_DIVIDE((n.assets - n.assets_jan2024) * 100, n.assets_jan2024),
    NULL
  ) AS aum_growth_since_jan2024_pct,
  n.as_of,
  n.available_at AS known_at,
  DATE(DIV(n.month, 12), MOD(n.month, 12) + 1, 1) AS newest_event
FROM newest AS n
WHERE n.month >= n.oldest_month
