-- Assets of the representative's current firm from the newest known extract of the monthly firm history.
-- One row per decision whose firm has either month in a known extract.
-- The month is the one before the decision's month or, while the known extract does not reach that far, the newest
-- month the extract covers. Months are counted as YEAR * 12 + MONTH. Later extracts restate months: the value is the
-- one known then. A firm without a value for that month has none: older months do not stand in.
WITH covered AS (
  SELECT h.as_of, h.available_at, MAX(h.YEAR * 12 + h.MONTH) AS newest_month
  FROM firm_history_vintage AS h
  WHERE h.YEAR * 12 + h.MONTH < EXTRACT(YEAR FROM h.as_of) * 12 + EXTRACT(MONTH FROM h.as_of)
  GROUP BY h.as_of, h.available_at
),
wanted AS (
  SELECT
    c.decision_id,
    c.decision_at,
    c.firm,
    v.as_of,
    LEAST(
      EXTRACT(YEAR FROM c.decision_date) * 12 + EXTRACT(MONTH FROM c.decision_date) - 1, m.newest_month
    ) AS month
  FROM current_employment AS c
  JOIN known_vintage AS v
    ON v.decision_id = c.decision_id AND v.source = 'firm_history'
  JOIN covered AS m
    ON m.as_of = v.as_of AND m.available_at <= c.decision_at
  WHERE c.firm IS NOT NULL
),
-- the month wanted and January 2024 (2024 * 12 + 1), read together
found AS (
  SELECT
    w.decision_id,
    MAX(IF(h.YEAR * 12 + h.MONTH = w.month, h.TOTAL_AUM, NULL)) AS assets,
    MAX(IF(h.YEAR = 2024 AND h.MONTH = 1, h.TOTAL_AUM, NULL)) AS assets_jan2024,
    MAX(h.as_of) AS as_of,
    MAX(h.available_at) AS known_at,
    MAX(h.YEAR * 12 + h.MONTH) AS month
  FROM wanted AS w
  JOIN firm_history_vintage AS h
    ON h.RIA_INVESTOR_CRD_ID = w.firm
    AND h.as_of = w.as_of
    AND h.available_at <= w.decision_at
    AND (h.YEAR * 12 + h.MONTH = w.month OR (h.YEAR = 2024 AND h.MONTH = 1))
  GROUP BY w.decision_id
)
SELECT
  f.decision_id,
  f.assets AS firm_aum_pit,
  IF(f.assets_jan2024 > 0, SAFE_DIVIDE((f.assets - f.assets_jan2024) * 100, f.assets_jan2024), NULL)
    AS aum_growth_since_jan2024_pct,
  f.as_of,
  f.known_at,
  DATE(DIV(f.month, 12), MOD(f.month, 12) + 1, 1) AS newest_event
FROM found AS f
