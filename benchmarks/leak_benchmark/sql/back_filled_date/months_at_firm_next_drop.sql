-- type: number
WITH next_drop AS (
  SELECT d.decision_id, d.RepCRD, d.decision_at, MIN(n.as_of) AS as_of
  FROM decisions AS d
  JOIN (SELECT DISTINCT v.as_of FROM employment_vintage AS v) AS n ON n.as_of > DATE(d.decision_at)
  GROUP BY d.decision_id, d.RepCRD, d.decision_at
)
SELECT d.decision_id, DATE_DIFF(DATE(d.decision_at), MAX(e.PREVIOUS_REGISTRATION_COMPANY_START_DATE), MONTH)
  AS months_at_firm_next_drop
FROM next_drop AS d
JOIN employment_vintage AS e ON e.RIA_CONTACT_CRD_ID = d.RepCRD AND e.as_of = d.as_of
GROUP BY d.decision_id, d.decision_at
