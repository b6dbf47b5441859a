-- The 31 base features of the original m5 model and further facts of the representative and the firm, as known.
-- One row per decision. Flags of m5 are 0 where the source is missing, as m5 defines them; the others stay missing.
WITH known AS (
  SELECT
    r.*,
    f.* EXCEPT (decision_id),
    IF(r.Number_YearsPriorFirm1 IS NULL, 0, 1) + IF(r.Number_YearsPriorFirm2 IS NULL, 0, 1)
      + IF(r.Number_YearsPriorFirm3 IS NULL, 0, 1) + IF(r.Number_YearsPriorFirm4 IS NULL, 0, 1) AS prior_firms
  FROM known_rep AS r
  JOIN known_firm AS f ON f.decision_id = r.decision_id
)
SELECT
  k.decision_id,
  k.NumberFirmAssociations,
  k.NumberRIAFirmAssociations,
  k.TotalAssetsInMillions,
  IF(k.RIAFirmCRD = k.PrimaryRIAFirmCRD, 1, 0) AS IsPrimaryRIAFirm,
  k.Number_Employees,
  k.Number_BranchAdvisors,
  k.Number_IAReps,
  k.DateBecameRep_NumberOfYears,
  k.DateOfHireAtCurrentFirm_NumberOfYears,
  k.Number_InvestmentAdvisoryClients,
  IF(k.KnownNonAdvisor = 1, 1, 0) AS KnownNonAdvisor,
  k.Number_YearsPriorFirm1,
  k.Number_YearsPriorFirm2,
  k.Number_YearsPriorFirm3,
  k.Number_YearsPriorFirm4,
  k.MilesToWork,
  k.NumberClients_HNWIndividuals,
  k.NumberClients_Individuals,
  k.AssetsInMillions_HNWIndividuals,
  k.AssetsInMillions_Individuals,
  k.AssetsInMillions_MutualFunds,
  k.AssetsInMillions_PrivateFunds,
  k.AUMGrowthRate_5Year,
  k.AUMGrowthRate_1Year,
  k.AverageAccountSize,
  k.PercentClients_Individuals,
  k.Percent_ClientsUS,
  IF(k.DuallyRegisteredBDRIARep = 1, 1, 0) AS IsDuallyRegistered,
  IF(k.OwnershipType = 'Independent', 1, 0) AS IsIndependent,
  SAFE_DIVIDE(
    COALESCE(k.Number_YearsPriorFirm1, 0) + COALESCE(k.Number_YearsPriorFirm2, 0)
      + COALESCE(k.Number_YearsPriorFirm3, 0) + COALESCE(k.Number_YearsPriorFirm4, 0),
    k.prior_firms
  ) AS AverageTenureAtPriorFirms,
  k.prior_firms AS NumberOfPriorFirms,
  k.Number_RegisteredStates,
  k.Has_Series_7,
  k.Has_Series_65,
  k.Has_Series_66,
  k.Has_Series_24,
  k.Has_CFP,
  k.Has_CFA,
  k.Has_CIMA,
  k.Has_AIF,
  k.Has_Disclosure,
  k.Has_Insurance_License,
  k.Is_Owner,
  k.Is_IndependentContractor,
  k.Branch_State,
  k.OwnershipType,
  IF(k.rep_as_of IS NULL, 1, 0) AS rep_absent_from_vintage,
  IF(k.firm_as_of IS NULL, 1, 0) AS firm_absent_from_vintage,
  TIMESTAMP_DIFF(k.decision_at, TIMESTAMP(k.vintage_as_of), DAY) AS rep_vintage_age_days,
  k.rep_as_of AS evidence_rep_vintage_as_of,
  k.rep_available_at AS evidence_rep_vintage_known_at,
  TIMESTAMP(k.rep_as_of) AS evidence_rep_vintage_event_at,
  k.firm_as_of AS evidence_firm_vintage_as_of,
  k.firm_available_at AS evidence_firm_vintage_known_at,
  TIMESTAMP(k.firm_as_of) AS evidence_firm_vintage_event_at
FROM known AS k
