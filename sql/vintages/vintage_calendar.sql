-- When each vintage arrived: (source, as_of, available_at). One row per source and arrival.
-- A vintage that was corrected has arrived more than once; each arrival is a whole, and all its rows became available
-- at one instant.
SELECT 'rep' AS source, r.as_of, r.available_at
FROM rep_vintage AS r
GROUP BY r.as_of, r.available_at
UNION ALL
SELECT 'firm' AS source, f.as_of, f.available_at
FROM firm_vintage AS f
GROUP BY f.as_of, f.available_at
UNION ALL
SELECT 'employment' AS source, e.as_of, e.available_at
FROM employment_vintage AS e
GROUP BY e.as_of, e.available_at
UNION ALL
SELECT 'firm_history' AS source, h.as_of, h.available_at
FROM firm_history_vintage AS h
GROUP BY h.as_of, h.available_at
