-- When each vintage could have been known: (source, as_of, available_at).
-- One row per source and vintage. A vintage counts as available when its last row is.
SELECT 'rep' AS source, r.as_of, MAX(r.available_at) AS available_at
FROM rep_vintage AS r
GROUP BY r.as_of
UNION ALL
SELECT 'firm' AS source, f.as_of, MAX(f.available_at) AS available_at
FROM firm_vintage AS f
GROUP BY f.as_of
UNION ALL
SELECT 'employment' AS source, e.as_of, MAX(e.available_at) AS available_at
FROM employment_vintage AS e
GROUP BY e.as_of
UNION ALL
SELECT 'firm_history' AS source, h.as_of, MAX(h.available_at) AS available_at
FROM firm_history_vintage AS h
GROUP BY h.as_of
