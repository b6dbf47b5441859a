-- The firm of the representative as known at the decision: raw columns of the newest known firm vintage.
-- One row per decision. Which firm it is comes from the rep row known then; the known-time rule holds on both.
SELECT
  d.decision_id,
  f.as_of AS firm_as_of,
  f.available_at AS firm_available_at,
  f.OwnershipType,
  f.Number_Employees,
  f.Number_InvestmentAdvisoryClients,
  f.AverageAccountSize,
  f.Percent_ClientsUS
FROM known_rep AS d
LEFT JOIN known_vintage AS v
  ON v.decision_id = d.decision_id AND v.table_name = 'firm_vintage'
LEFT JOIN firm_vintage AS f
  ON f.RIAFirmCRD = d.RIAFirmCRD AND f.as_of = v.as_of
  AND f.available_at >= v.available_at AND f.available_at <= d.decision_at
