-- The four engineered features of the original m5 model that compare a row with the population.
-- One row per row of features; statistics is the one row of m5_population_statistics. Computed inside the fold.
SELECT
  f.row_number,
  IF(f.Number_Employees <= 20 AND f.AverageAccountSize > s.aas_q75, 1, 0) AS Is_Boutique_Firm,
  IF(f.AverageAccountSize > s.aas_q75 AND f.PercentClients_Individuals < 50, 1, 0) AS Premium_Positioning,
  IF(f.PercentClients_Individuals > 80 AND f.AverageAccountSize < s.aas_median, 1, 0) AS Mass_Market_Focus,
  0.25 * f.Is_Veteran_Advisor
    + 0.25 * f.Has_Scale
    + 0.15 * IF(f.Firm_Stability_Score > s.firm_stability_median, 1, 0)
    + 0.15 * f.IsPrimaryRIAFirm
    + 0.10 * IF(f.AUM_per_Client > s.aum_per_client_median, 1, 0)
    + 0.10 * (1 - f.High_Turnover_Flag) AS Quality_Score
FROM features AS f
CROSS JOIN statistics AS s
