-- type: number
SELECT r.decision_id, v.Number_Employees AS employees_in_view
FROM known_rep AS r
LEFT JOIN firm_view AS v ON v.RIAFirmCRD = r.RIAFirmCRD
