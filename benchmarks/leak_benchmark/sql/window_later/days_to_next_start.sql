-- type: number
WITH jobs AS (
  SELECT DISTINCT e.RIA_CONTACT_CRD_ID AS rep, e.PREVIOUS_REGISTRATION_COMPANY_START_DATE AS day
    FROM employment_vintage AS e
),
following AS (
  SELECT j.rep, j.day, LEAD(j.day) OVER (PARTITION BY j.rep ORDER BY j.day) AS next_day FROM jobs AS j
)
SELECT d.decision_id, DATE_DIFF(f.next_day, f.day, DAY) AS days_to_next_start
FROM decisions AS d
JOIN following AS f ON f.rep = d.RepCRD AND f.day <= DATE(d.decision_at)
QUALIFY ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY f.day DESC) = 1
