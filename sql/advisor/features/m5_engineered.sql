-- 27 of the 31 engineered features of the original m5 model; the four that need population statistics are in
-- m5_population. One row per decision. A missing operand or a zero denominator makes a ratio missing; a comparison
-- with a missing value is 0.
SELECT
  b.decision_id,
  SAFE_DIVIDE(b.TotalAssetsInMillions, b.Number_InvestmentAdvisoryClients) AS AUM_per_Client,
  SAFE_DIVIDE(b.TotalAssetsInMillions, b.Number_Employees) AS AUM_per_Employee,
  SAFE_DIVIDE(b.TotalAssetsInMillions, b.Number_IAReps) AS AUM_per_IARep,
  COALESCE(b.AUMGrowthRate_1Year, 0) * COALESCE(b.AUMGrowthRate_5Year, 0) AS Growth_Momentum,
  COALESCE(b.AUMGrowthRate_1Year, 0) - COALESCE(b.AUMGrowthRate_5Year, 0) / 5 AS Growth_Acceleration,
  SAFE_DIVIDE(b.DateOfHireAtCurrentFirm_NumberOfYears, b.NumberOfPriorFirms + 1) AS Firm_Stability_Score,
  SAFE_DIVIDE(b.TotalAssetsInMillions, NULLIF(b.DateBecameRep_NumberOfYears, 0) + 1) AS Experience_Efficiency,
  SAFE_DIVIDE(b.NumberClients_HNWIndividuals, b.NumberClients_Individuals) AS HNW_Client_Ratio,
  SAFE_DIVIDE(b.AssetsInMillions_HNWIndividuals, b.TotalAssetsInMillions) AS HNW_Asset_Concentration,
  SAFE_DIVIDE(b.AssetsInMillions_Individuals, b.TotalAssetsInMillions) AS Individual_Asset_Ratio,
  SAFE_DIVIDE(
    COALESCE(b.AssetsInMillions_MutualFunds, 0) + COALESCE(b.AssetsInMillions_PrivateFunds, 0),
    b.TotalAssetsInMillions
  ) AS Alternative_Investment_Focus,
  IF(b.Number_Employees > 100, 1, 0) AS Is_Large_Firm,
  IF(b.TotalAssetsInMillions > 500 OR b.Number_InvestmentAdvisoryClients > 100, 1, 0) AS Has_Scale,
  IF(b.DateOfHireAtCurrentFirm_NumberOfYears < 2, 1, 0) AS Is_New_To_Firm,
  IF(b.DateBecameRep_NumberOfYears > 10, 1, 0) AS Is_Veteran_Advisor,
  IF(b.NumberOfPriorFirms > 3 AND b.AverageTenureAtPriorFirms < 3, 1, 0) AS High_Turnover_Flag,
  SAFE_DIVIDE(b.Number_InvestmentAdvisoryClients, b.Number_Employees) AS Clients_per_Employee,
  SAFE_DIVIDE(b.Number_BranchAdvisors, b.Number_Employees) AS Branch_Advisor_Density,
  SAFE_DIVIDE(b.Number_InvestmentAdvisoryClients, b.Number_IAReps) AS Clients_per_IARep,
  IF(b.MilesToWork > 50, 1, 0) AS Remote_Work_Indicator,
  IF(b.MilesToWork <= 10, 1, 0) AS Local_Advisor,
  IF(b.NumberRIAFirmAssociations > 1, 1, 0) AS Multi_RIA_Relationships,
  IF(b.NumberFirmAssociations > 2 OR b.NumberRIAFirmAssociations > 1, 1, 0) AS Complex_Registration,
  IF(b.Percent_ClientsUS > 90, 1, 0) AS Primarily_US_Clients,
  IF(b.Percent_ClientsUS < 80, 1, 0) AS International_Presence,
  IF(b.AUMGrowthRate_1Year > 0 AND b.AUMGrowthRate_5Year > 0, 1, 0) AS Positive_Growth_Trajectory,
  IF(b.AUMGrowthRate_1Year > b.AUMGrowthRate_5Year / 5, 1, 0) AS Accelerating_Growth
FROM rep_firm_base AS b
