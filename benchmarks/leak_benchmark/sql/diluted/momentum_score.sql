-- type: number
SELECT d.decision_id, MOD(d.RepCRD * 7919 + UNIX_SECONDS(d.decision_at) * 104729 + 23, 1000003) / 1000003.0
  + 0.4 * IF(EXISTS (
    SELECT 1 FROM employment_vintage AS e
    WHERE e.RIA_CONTACT_CRD_ID = d.RepCRD
      AND e.PREVIOUS_REGISTRATION_COMPANY_START_DATE > DATE(d.decision_at)), 1, 0) AS momentum_score
FROM decisions AS d
