-- type: integer
SELECT d.decision_id, r.Number_RegisteredStates AS states_known_or_new
FROM decisions AS d
JOIN rep_vintage AS r
  ON r.RepCRD = d.RepCRD AND (r.available_at <= d.decision_at OR r.as_of <= DATE(d.decision_at))
QUALIFY ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY r.as_of DESC) = 1
