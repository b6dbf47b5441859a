-- People to score on the morning of @day who are in no lead of the CRM: the representatives of the newest rep vintage
-- that had arrived when the day began. One row per representative; decision_at is the start of the day in UTC.
-- parameter: day DATE
WITH days AS (
  SELECT TIMESTAMP(@day) AS decision_at
),
newest AS (
  SELECT d.decision_at, c.as_of, c.available_at
  FROM days AS d
  JOIN vintage_calendar AS c
    ON c.available_at <= d.decision_at AND TIMESTAMP(c.as_of) <= d.decision_at AND c.table_name = 'rep_vintage'
  QUALIFY ROW_NUMBER() OVER (ORDER BY c.as_of DESC, c.available_at DESC) = 1
),
in_crm AS (
  SELECT DISTINCT l.entity
  FROM decision_log AS l
  WHERE l.known_at < TIMESTAMP(@day)
)
SELECT CONCAT('prospect-', CAST(r.RepCRD AS STRING)) AS decision_id, r.RepCRD, n.decision_at
FROM newest AS n
JOIN rep_vintage AS r
  ON r.as_of = n.as_of AND r.available_at = n.available_at AND r.available_at <= n.decision_at
LEFT JOIN in_crm AS i ON i.entity = r.RepCRD
WHERE i.entity IS NULL
