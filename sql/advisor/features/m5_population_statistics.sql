-- Statistics m5_population needs, learned on the training rows only (relation features): exact quantiles of the
-- non-missing values. One row; no row when there are no features.
SELECT DISTINCT
  PERCENTILE_CONT(f.AverageAccountSize, 0.75) OVER () AS aas_q75,
  PERCENTILE_CONT(f.AverageAccountSize, 0.5) OVER () AS aas_median,
  PERCENTILE_CONT(f.Firm_Stability_Score, 0.5) OVER () AS firm_stability_median,
  PERCENTILE_CONT(f.AUM_per_Client, 0.5) OVER () AS aum_per_client_median
FROM features AS f
