-- type: flag
SELECT d.decision_id, MAX(IF(e.PREVIOUS_REGISTRATION_COMPANY_END_DATE BETWEEN DATE_SUB(DATE(d.decision_at),
  INTERVAL 90 DAY)
    AND DATE(d.decision_at), 1, 0)) AS ended_lately
FROM decisions AS d
JOIN employment_vintage AS e ON e.RIA_CONTACT_CRD_ID = d.RepCRD
GROUP BY d.decision_id
