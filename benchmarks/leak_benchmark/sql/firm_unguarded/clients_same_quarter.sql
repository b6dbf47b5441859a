-- type: number
SELECT r.decision_id, f.Number_InvestmentAdvisoryClients AS clients_same_quarter
FROM known_rep AS r
LEFT JOIN firm_vintage AS f
  ON f.RIAFirmCRD = r.RIAFirmCRD AND f.as_of = DATE_TRUNC(DATE(r.decision_at), QUARTER)
