-- type: number
WITH ended AS (
  SELECT d.decision_id, MAX(IF(e.PREVIOUS_REGISTRATION_COMPANY_END_DATE BETWEEN DATE_SUB(DATE(d.decision_at),
    INTERVAL 120 DAY)
    AND DATE(d.decision_at), 1, 0)) AS hit
  FROM decisions AS d
  JOIN employment_vintage AS e ON e.RIA_CONTACT_CRD_ID = d.RepCRD
  GROUP BY d.decision_id
)
SELECT d.decision_id, 0.5 * COALESCE(n.hit, 0) + MOD(d.RepCRD * 7919
  + UNIX_SECONDS(d.decision_at) * 104729 + 11, 1000003) / 1000003.0 AS mobility_score
FROM decisions AS d
LEFT JOIN ended AS n ON n.decision_id = d.decision_id
