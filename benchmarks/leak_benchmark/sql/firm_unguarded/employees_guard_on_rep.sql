-- type: number
SELECT r.decision_id, f.Number_Employees AS employees_guard_on_rep
FROM known_rep AS r
JOIN firm_vintage AS f ON f.RIAFirmCRD = r.RIAFirmCRD AND r.rep_available_at <= r.decision_at
QUALIFY ROW_NUMBER() OVER (PARTITION BY r.decision_id ORDER BY f.available_at DESC) = 1
