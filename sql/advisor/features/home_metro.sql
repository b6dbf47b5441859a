-- Home metropolitan area: one flag for each of the five most frequent values in the original data, as known.
-- One row per decision. Exact values: "contains Arlington" would also take Washington-Arlington-Alexandria.
SELECT
  r.decision_id,
  IF(r.Home_MetropolitanArea = 'Chicago-Naperville-Elgin IL-IN', 1, 0)
    AS Home_MetropolitanArea_Chicago_Naperville_Elgin_IL_IN,
  IF(r.Home_MetropolitanArea = 'Dallas-Fort Worth-Arlington TX', 1, 0)
    AS Home_MetropolitanArea_Dallas_Fort_Worth_Arlington_TX,
  IF(r.Home_MetropolitanArea = 'Los Angeles-Long Beach-Anaheim CA', 1, 0)
    AS Home_MetropolitanArea_Los_Angeles_Long_Beach_Anaheim_CA,
  IF(r.Home_MetropolitanArea = 'Miami-Fort Lauderdale-West Palm Beach FL', 1, 0)
    AS Home_MetropolitanArea_Miami_Fort_Lauderdale_West_Palm_Beach_FL,
  IF(r.Home_MetropolitanArea = 'New York-Newark-Jersey City NY-NJ', 1, 0)
    AS Home_MetropolitanArea_New_York_Newark_Jersey_City_NY_NJ,
  r.rep_as_of AS evidence_rep_vintage_as_of,
  r.rep_available_at AS evidence_rep_vintage_known_at,
  TIMESTAMP(r.rep_as_of) AS evidence_rep_vintage_event_at
FROM known_rep AS r
