-- The newest employment vintage there is, whatever the decision: the table every CRM calls "current".
-- One row per job. It knows ends that were filed after the decision, so no feature of a model may read it; it is here
-- to demonstrate the leak (features/days_in_gap_current).
WITH newest AS (
  SELECT n.as_of, MAX(n.available_at) AS available_at
  FROM employment_vintage AS n
  GROUP BY n.as_of
  QUALIFY ROW_NUMBER() OVER (ORDER BY n.as_of DESC) = 1
)
SELECT
  e.RIA_CONTACT_CRD_ID,
  e.PREVIOUS_REGISTRATION_COMPANY_CRD_ID,
  e.PREVIOUS_REGISTRATION_COMPANY_START_DATE,
  e.PREVIOUS_REGISTRATION_COMPANY_END_DATE
FROM employment_vintage AS e
JOIN newest AS n ON n.as_of = e.as_of AND n.available_at = e.available_at
