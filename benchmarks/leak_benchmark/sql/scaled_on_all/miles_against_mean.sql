-- type: number
WITH typical AS (SELECT AVG(k.MilesToWork) AS miles FROM known_rep AS k)
SELECT r.decision_id, r.MilesToWork - t.miles AS miles_against_mean FROM known_rep AS r CROSS JOIN typical AS t
