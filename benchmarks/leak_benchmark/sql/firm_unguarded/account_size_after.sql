-- type: number
SELECT r.decision_id, AVG(f.AverageAccountSize) AS account_size_after
FROM known_rep AS r
JOIN firm_vintage AS f ON f.RIAFirmCRD = r.RIAFirmCRD AND f.as_of >= r.rep_as_of
GROUP BY r.decision_id
