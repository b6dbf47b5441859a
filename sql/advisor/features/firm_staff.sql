-- Head count and net change over twelve months of every firm, as each employment vintage states it.
-- One row per vintage, firm and span of days in which both figures hold: first_day (NULL: since ever) … last_day
-- (NULL: for ever). Every (vintage, firm) is covered without gap or overlap by at most 367 spans.
--   head_count   distinct representatives with an open job at the firm
--   net_change   distinct arrivals less distinct departures in (day - 12 months, day]
-- A vintage states facts strictly before its as_of, and is only used for days from its as_of on. So of a person's
-- arrivals at a firm only the last decides whether he arrived within a window that ends on such a day, and it counts
-- up to a last counting day, twelve months on; departures likewise. The net change of a day is therefore the running
-- sum, from the latest counting day backwards, of what still counts: one sorted window per (vintage, firm), whatever
-- the size of the firm. Nobody is joined with everybody.
WITH people AS (
  SELECT
    e.as_of,
    e.available_at,
    e.PREVIOUS_REGISTRATION_COMPANY_CRD_ID AS firm,
    e.RIA_CONTACT_CRD_ID AS rep,
    MAX(e.PREVIOUS_REGISTRATION_COMPANY_START_DATE) AS last_start,
    MAX(
      IF(e.PREVIOUS_REGISTRATION_COMPANY_END_DATE < e.as_of, e.PREVIOUS_REGISTRATION_COMPANY_END_DATE, NULL)
    ) AS last_end,
    MAX(IF(e.PREVIOUS_REGISTRATION_COMPANY_END_DATE < e.as_of, 0, 1)) AS is_open
  FROM employment_vintage AS e
  WHERE e.PREVIOUS_REGISTRATION_COMPANY_CRD_ID IS NOT NULL
    AND e.PREVIOUS_REGISTRATION_COMPANY_START_DATE < e.as_of
    -- what moved earlier counts for nothing on any day from as_of on
    AND (
      e.PREVIOUS_REGISTRATION_COMPANY_END_DATE IS NULL
      OR DATE_DIFF(e.as_of, e.PREVIOUS_REGISTRATION_COMPANY_END_DATE, DAY) <= 366
      OR DATE_DIFF(e.as_of, e.PREVIOUS_REGISTRATION_COMPANY_START_DATE, DAY) <= 366
    )
  GROUP BY e.as_of, e.available_at, e.PREVIOUS_REGISTRATION_COMPANY_CRD_ID, e.RIA_CONTACT_CRD_ID
),
-- most people have not moved within the year: one row of each firm stands for all of them
moves AS (
  SELECT
    p.as_of,
    p.available_at,
    p.firm,
    IF(DATE_DIFF(p.as_of, p.last_start, DAY) <= 366, p.last_start, NULL) AS arrival,
    IF(DATE_DIFF(p.as_of, p.last_end, DAY) <= 366, p.last_end, NULL) AS departure,
    COUNT(*) AS people,
    SUM(p.is_open) AS open_people,
    MAX(p.last_start) AS newest_start,
    MAX(p.last_end) AS newest_end
  FROM people AS p
  GROUP BY p.as_of, p.available_at, p.firm, arrival, departure
),
staff AS (
  SELECT
    m.as_of,
    m.available_at,
    m.firm,
    SUM(m.open_people) AS head_count,
    GREATEST(MAX(m.newest_start), COALESCE(MAX(m.newest_end), MAX(m.newest_start))) AS newest_event
  FROM moves AS m
  GROUP BY m.as_of, m.available_at, m.firm
),
movements AS (
  SELECT m.as_of, m.available_at, m.firm, m.arrival AS day, m.people
  FROM moves AS m
  WHERE m.arrival IS NOT NULL
  UNION ALL
  SELECT m.as_of, m.available_at, m.firm, m.departure AS day, -m.people AS people
  FROM moves AS m
  WHERE m.departure IS NOT NULL
),
-- last_day is the last day t with DATE_SUB(t, 12 months) before the movement. Both forms are needed: 29 February has
-- no counterpart a year later, and 1 March of a leap year is reached a day later than the day before it suggests.
counting AS (
  SELECT
    m.as_of,
    m.available_at,
    m.firm,
    GREATEST(
      DATE_SUB(DATE_ADD(m.day, INTERVAL 12 MONTH), INTERVAL 1 DAY),
      DATE_ADD(DATE_SUB(m.day, INTERVAL 1 DAY), INTERVAL 12 MONTH)
    ) AS last_day,
    m.people
  FROM movements AS m
),
days AS (
  SELECT c.as_of, c.available_at, c.firm, c.last_day, SUM(c.people) AS people
  FROM counting AS c
  GROUP BY c.as_of, c.available_at, c.firm, c.last_day
  UNION ALL
  -- nothing counts after the last counting day
  SELECT s.as_of, s.available_at, s.firm, CAST(NULL AS DATE) AS last_day, 0 AS people
  FROM staff AS s
),
spans AS (
  SELECT
    d.as_of,
    d.available_at,
    d.firm,
    d.last_day,
    LAG(d.last_day) OVER (
      PARTITION BY d.as_of, d.available_at, d.firm ORDER BY COALESCE(d.last_day, DATE '9999-12-31')
    ) AS previous_day,
    SUM(d.people) OVER (
      PARTITION BY d.as_of, d.available_at, d.firm
      ORDER BY COALESCE(d.last_day, DATE '9999-12-31')
      ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
    ) AS net_change
  FROM days AS d
)
SELECT
  n.as_of,
  n.available_at,
  n.firm,
  DATE_ADD(n.previous_day, INTERVAL 1 DAY) AS first_day,
  n.last_day,
  s.head_count,
  n.net_change,
  s.newest_event
FROM spans AS n
JOIN staff AS s
  ON s.as_of = n.as_of AND s.available_at = n.available_at AND s.firm = n.firm
