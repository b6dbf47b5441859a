-- The representative as known at the decision: raw columns of the newest known rep vintage.
-- One row per decision; every vendor column is NULL for a representative absent from that vintage.
SELECT
  d.decision_id,
  d.decision_at,
  v.as_of AS vintage_as_of,
  r.as_of AS rep_as_of,
  r.available_at AS rep_available_at,
  r.RIAFirmCRD,
  r.PrimaryRIAFirmCRD,
  r.Home_MetropolitanArea,
  r.Branch_State,
  r.NumberFirmAssociations,
  r.NumberRIAFirmAssociations,
  r.TotalAssetsInMillions,
  r.Number_BranchAdvisors,
  r.Number_IAReps,
  r.Number_RegisteredStates,
  r.DateBecameRep_NumberOfYears,
  r.DateOfHireAtCurrentFirm_NumberOfYears,
  r.KnownNonAdvisor,
  r.Number_YearsPriorFirm1,
  r.Number_YearsPriorFirm2,
  r.Number_YearsPriorFirm3,
  r.Number_YearsPriorFirm4,
  r.MilesToWork,
  r.NumberClients_HNWIndividuals,
  r.NumberClients_Individuals,
  r.AssetsInMillions_HNWIndividuals,
  r.AssetsInMillions_Individuals,
  r.AssetsInMillions_MutualFunds,
  r.AssetsInMillions_PrivateFunds,
  r.AUMGrowthRate_5Year,
  r.AUMGrowthRate_1Year,
  r.PercentClients_Individuals,
  r.DuallyRegisteredBDRIARep,
  r.Has_Series_7,
  r.Has_Series_65,
  r.Has_Series_66,
  r.Has_Series_24,
  r.Has_CFP,
  r.Has_CFA,
  r.Has_CIMA,
  r.Has_AIF,
  r.Has_Disclosure,
  r.Has_Insurance_License,
  r.Is_Owner,
  r.Is_IndependentContractor
FROM decisions AS d
LEFT JOIN known_vintage AS v
  ON v.decision_id = d.decision_id AND v.table_name = 'rep_vintage'
LEFT JOIN rep_vintage AS r
  ON r.RepCRD = d.RepCRD AND r.as_of = v.as_of
  AND r.available_at >= v.available_at AND r.available_at <= d.decision_at
