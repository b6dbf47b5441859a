-- A leak, kept as a demonstration and part of no shipped recipe: days between the end of the last job begun before
-- the decision and the decision, 0 if that job has no end or ends later. One row per decision.
-- The end is read from today's table, so it shows whether the person was going to leave.
WITH last_job AS (
  SELECT
    d.decision_id,
    DATE(d.decision_at) AS decision_date,
    e.PREVIOUS_REGISTRATION_COMPANY_END_DATE AS end_date
  FROM decisions AS d
  JOIN employment_current AS e
    ON e.RIA_CONTACT_CRD_ID = d.RepCRD AND e.PREVIOUS_REGISTRATION_COMPANY_START_DATE <= DATE(d.decision_at)
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY d.decision_id
    ORDER BY e.PREVIOUS_REGISTRATION_COMPANY_START_DATE DESC, e.PREVIOUS_REGISTRATION_COMPANY_CRD_ID DESC
  ) = 1
)
SELECT
  d.decision_id,
  IF(
    j.decision_id IS NULL, NULL, IF(j.end_date < j.decision_date, DATE_DIFF(j.decision_date, j.end_date, DAY), 0)
  ) AS days_in_gap
FROM decisions AS d
LEFT JOIN last_job AS j ON j.decision_id = d.decision_id
