-- type: number
SELECT r.decision_id, f.Number_Employees AS employees_newest
FROM known_rep AS r
JOIN firm_vintage AS f ON f.RIAFirmCRD = r.RIAFirmCRD
QUALIFY ROW_NUMBER() OVER (PARTITION BY r.decision_id ORDER BY f.as_of DESC) = 1
