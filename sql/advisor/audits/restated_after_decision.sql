-- Violations: training rows of @as_of with a base value, or a firm's assets, other than the newest known then.
-- One row per training row and source, naming the first value that differs: decision_id, fact, fact_at, decision_at.
-- Goes another way than the features: it takes every version that had arrived by the decision, row by row, and keeps
-- the newest by ROW_NUMBER, where the features join on a calendar of vintages. fact_at is when the version arrived.
-- parameter: as_of DATE
WITH rows_of_quarter AS (
  SELECT t.*
  FROM training_table AS t
  WHERE t.as_of = @as_of
),
arrived AS (
  SELECT t.decision_id, c.table_name, c.as_of, MAX(c.available_at) AS available_at
  FROM rows_of_quarter AS t
  JOIN vintage_calendar AS c ON c.available_at <= t.decision_at AND TIMESTAMP(c.as_of) <= t.decision_at
  GROUP BY t.decision_id, c.table_name, c.as_of
),
newest_vintage AS (
  SELECT
    a.decision_id,
    a.table_name,
    MAX(a.as_of) AS as_of,
    ANY_VALUE(a.available_at HAVING MAX a.as_of) AS available_at
  FROM arrived AS a
  GROUP BY a.decision_id, a.table_name
),
-- the newest version of the representative, unless a newer vintage no longer lists him
newest_rep AS (
  SELECT t.decision_id, r.*
  FROM rows_of_quarter AS t
  JOIN rep_vintage AS r
    ON r.RepCRD = t.RepCRD AND r.available_at <= t.decision_at AND TIMESTAMP(r.as_of) <= t.decision_at
  QUALIFY ROW_NUMBER() OVER (PARTITION BY t.decision_id ORDER BY r.as_of DESC, r.available_at DESC) = 1
),
rep AS (
  SELECT r.*
  FROM newest_rep AS r
  JOIN newest_vintage AS v
    ON v.decision_id = r.decision_id
    AND v.table_name = 'rep_vintage'
    AND v.as_of = r.as_of
    AND v.available_at = r.available_at
),
newest_firm AS (
  SELECT t.decision_id, f.*
  FROM rows_of_quarter AS t
  JOIN rep AS r ON r.decision_id = t.decision_id
  JOIN firm_vintage AS f
    ON f.RIAFirmCRD = r.RIAFirmCRD AND f.available_at <= t.decision_at AND TIMESTAMP(f.as_of) <= t.decision_at
  QUALIFY ROW_NUMBER() OVER (PARTITION BY t.decision_id ORDER BY f.as_of DESC, f.available_at DESC) = 1
),
firm AS (
  SELECT f.*
  FROM newest_firm AS f
  JOIN newest_vintage AS v
    ON v.decision_id = f.decision_id
    AND v.table_name = 'firm_vintage'
    AND v.as_of = f.as_of
    AND v.available_at = f.available_at
),
current_firm AS (
  SELECT t.decision_id, t.decision_at, e.PREVIOUS_REGISTRATION_COMPANY_CRD_ID AS firm
  FROM rows_of_quarter AS t
  JOIN newest_vintage AS v ON v.decision_id = t.decision_id AND v.table_name = 'employment_vintage'
  JOIN employment_vintage AS e
    ON e.RIA_CONTACT_CRD_ID = t.RepCRD AND e.as_of = v.as_of
    AND e.available_at >= v.available_at AND e.available_at <= t.decision_at
  WHERE e.PREVIOUS_REGISTRATION_COMPANY_START_DATE < e.as_of
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY t.decision_id
    ORDER BY e.PREVIOUS_REGISTRATION_COMPANY_START_DATE DESC, e.PREVIOUS_REGISTRATION_COMPANY_CRD_ID DESC
  ) = 1
),
-- the newest month of the firm that the newest extract states a value for
newest_assets AS (
  SELECT c.decision_id, h.as_of, h.available_at, h.TOTAL_AUM
  FROM current_firm AS c
  JOIN firm_history_vintage AS h
    ON h.RIA_INVESTOR_CRD_ID = c.firm
    AND h.available_at <= c.decision_at
    AND TIMESTAMP(h.as_of) <= c.decision_at
    AND (EXTRACT(YEAR FROM h.as_of) - h.YEAR) * 12 + EXTRACT(MONTH FROM h.as_of) - h.MONTH BETWEEN 1 AND 12
  WHERE h.TOTAL_AUM IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY c.decision_id ORDER BY h.as_of DESC, h.available_at DESC, h.YEAR DESC, h.MONTH DESC
  ) = 1
),
assets AS (
  SELECT a.*
  FROM newest_assets AS a
  JOIN newest_vintage AS v
    ON v.decision_id = a.decision_id
    AND v.table_name = 'firm_history_vintage'
    AND v.as_of = a.as_of
    AND v.available_at = a.available_at
),
differences AS (
  SELECT
    t.decision_id,
    CASE
      WHEN t.NumberFirmAssociations IS DISTINCT FROM r.NumberFirmAssociations THEN 'NumberFirmAssociations'
      WHEN t.NumberRIAFirmAssociations IS DISTINCT FROM r.NumberRIAFirmAssociations THEN 'NumberRIAFirmAssociations'
      WHEN t.TotalAssetsInMillions IS DISTINCT FROM r.TotalAssetsInMillions THEN 'TotalAssetsInMillions'
      WHEN t.Number_BranchAdvisors IS DISTINCT FROM r.Number_BranchAdvisors THEN 'Number_BranchAdvisors'
      WHEN t.Number_IAReps IS DISTINCT FROM r.Number_IAReps THEN 'Number_IAReps'
      WHEN t.DateBecameRep_NumberOfYears IS DISTINCT FROM r.DateBecameRep_NumberOfYears
        THEN 'DateBecameRep_NumberOfYears'
      WHEN t.DateOfHireAtCurrentFirm_NumberOfYears IS DISTINCT FROM r.DateOfHireAtCurrentFirm_NumberOfYears
        THEN 'DateOfHireAtCurrentFirm_NumberOfYears'
      WHEN t.Number_YearsPriorFirm1 IS DISTINCT FROM r.Number_YearsPriorFirm1 THEN 'Number_YearsPriorFirm1'
      WHEN t.Number_YearsPriorFirm2 IS DISTINCT FROM r.Number_YearsPriorFirm2 THEN 'Number_YearsPriorFirm2'
      WHEN t.Number_YearsPriorFirm3 IS DISTINCT FROM r.Number_YearsPriorFirm3 THEN 'Number_YearsPriorFirm3'
      WHEN t.Number_YearsPriorFirm4 IS DISTINCT FROM r.Number_YearsPriorFirm4 THEN 'Number_YearsPriorFirm4'
      WHEN t.MilesToWork IS DISTINCT FROM r.MilesToWork THEN 'MilesToWork'
      WHEN t.NumberClients_HNWIndividuals IS DISTINCT FROM r.NumberClients_HNWIndividuals
        THEN 'NumberClients_HNWIndividuals'
      WHEN t.NumberClients_Individuals IS DISTINCT FROM r.NumberClients_Individuals THEN 'NumberClients_Individuals'
      WHEN t.AssetsInMillions_HNWIndividuals IS DISTINCT FROM r.AssetsInMillions_HNWIndividuals
        THEN 'AssetsInMillions_HNWIndividuals'
      WHEN t.AssetsInMillions_Individuals IS DISTINCT FROM r.AssetsInMillions_Individuals
        THEN 'AssetsInMillions_Individuals'
      WHEN t.AssetsInMillions_MutualFunds IS DISTINCT FROM r.AssetsInMillions_MutualFunds
        THEN 'AssetsInMillions_MutualFunds'
      WHEN t.AssetsInMillions_PrivateFunds IS DISTINCT FROM r.AssetsInMillions_PrivateFunds
        THEN 'AssetsInMillions_PrivateFunds'
      WHEN t.AUMGrowthRate_5Year IS DISTINCT FROM r.AUMGrowthRate_5Year THEN 'AUMGrowthRate_5Year'
      WHEN t.AUMGrowthRate_1Year IS DISTINCT FROM r.AUMGrowthRate_1Year THEN 'AUMGrowthRate_1Year'
      WHEN t.PercentClients_Individuals IS DISTINCT FROM r.PercentClients_Individuals
        THEN 'PercentClients_Individuals'
      WHEN t.Number_RegisteredStates IS DISTINCT FROM r.Number_RegisteredStates THEN 'Number_RegisteredStates'
      WHEN t.Branch_State IS DISTINCT FROM r.Branch_State THEN 'Branch_State'
    END AS fact,
    r.available_at AS fact_at,
    t.decision_at
  FROM rows_of_quarter AS t
  LEFT JOIN rep AS r ON r.decision_id = t.decision_id
  UNION ALL
  SELECT
    t.decision_id,
    CASE
      WHEN t.Number_Employees IS DISTINCT FROM f.Number_Employees THEN 'Number_Employees'
      WHEN t.Number_InvestmentAdvisoryClients IS DISTINCT FROM f.Number_InvestmentAdvisoryClients
        THEN 'Number_InvestmentAdvisoryClients'
      WHEN t.AverageAccountSize IS DISTINCT FROM f.AverageAccountSize THEN 'AverageAccountSize'
      WHEN t.Percent_ClientsUS IS DISTINCT FROM f.Percent_ClientsUS THEN 'Percent_ClientsUS'
      WHEN t.OwnershipType IS DISTINCT FROM f.OwnershipType THEN 'OwnershipType'
    END AS fact,
    f.available_at AS fact_at,
    t.decision_at
  FROM rows_of_quarter AS t
  LEFT JOIN firm AS f ON f.decision_id = t.decision_id
  UNION ALL
  SELECT
    t.decision_id,
    IF(t.firm_aum_pit IS DISTINCT FROM a.TOTAL_AUM, 'firm_aum_pit', NULL) AS fact,
    a.available_at AS fact_at,
    t.decision_at
  FROM rows_of_quarter AS t
  LEFT JOIN assets AS a ON a.decision_id = t.decision_id
)
SELECT d.decision_id, d.fact, d.fact_at, d.decision_at
FROM differences AS d
WHERE d.fact IS NOT NULL
