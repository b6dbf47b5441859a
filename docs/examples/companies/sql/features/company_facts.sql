-- The company as known at the decision: the newest snapshot that had arrived. One row per decision.
SELECT
  d.decision_id,
  c.employees,
  c.industry,
  DATE_DIFF(DATE(d.decision_at), c.founded_on, MONTH) AS months_since_foundation,
  c.as_of AS evidence_company_vintage_as_of,
  c.available_at AS evidence_company_vintage_known_at,
  TIMESTAMP(c.as_of) AS evidence_company_vintage_event_at
FROM decisions AS d
LEFT JOIN known_vintage AS v
  ON v.decision_id = d.decision_id AND v.table_name = 'company_vintage'
LEFT JOIN company_vintage AS c
  ON c.company_id = d.company_id AND c.as_of = v.as_of
  AND c.available_at >= v.available_at AND c.available_at <= d.decision_at
