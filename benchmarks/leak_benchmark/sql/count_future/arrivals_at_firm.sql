-- type: integer
WITH arrivals AS (
  SELECT DISTINCT e.PREVIOUS_REGISTRATION_COMPANY_CRD_ID AS firm, e.RIA_CONTACT_CRD_ID AS rep,
    e.PREVIOUS_REGISTRATION_COMPANY_START_DATE AS day FROM employment_vintage AS e
)
SELECT r.decision_id,
  COUNTIF(a.day BETWEEN DATE_SUB(DATE(r.decision_at), INTERVAL 180 DAY)
    AND DATE_ADD(DATE(r.decision_at), INTERVAL 180 DAY)) AS arrivals_at_firm
FROM known_rep AS r
LEFT JOIN arrivals AS a ON a.firm = r.RIAFirmCRD
GROUP BY r.decision_id
