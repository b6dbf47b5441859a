-- The employment history of the representative as the newest known employment vintage shows it.
-- One row per decision and job begun before the vintage's as_of; no row for a representative the vintage lacks.
-- A vintage states facts strictly before its as_of: an end on or after it has not happened yet, so the job is open.
SELECT
  d.decision_id,
  d.decision_at,
  DATE(d.decision_at) AS decision_date,
  e.as_of,
  e.available_at,
  e.PREVIOUS_REGISTRATION_COMPANY_CRD_ID AS firm,
  e.PREVIOUS_REGISTRATION_COMPANY_START_DATE AS start_date,
  IF(
    e.PREVIOUS_REGISTRATION_COMPANY_END_DATE < e.as_of, e.PREVIOUS_REGISTRATION_COMPANY_END_DATE, NULL
  ) AS end_date
FROM decisions AS d
JOIN known_vintage AS v
  ON v.decision_id = d.decision_id AND v.table_name = 'employment_vintage'
JOIN employment_vintage AS e
  ON e.RIA_CONTACT_CRD_ID = d.RepCRD AND e.as_of = v.as_of
  AND e.available_at >= v.available_at AND e.available_at <= d.decision_at
WHERE e.PREVIOUS_REGISTRATION_COMPANY_START_DATE < e.as_of
