-- type: number
WITH newest AS (
  SELECT d.decision_id, MAX(c.as_of) AS as_of
  FROM decisions AS d
  JOIN vintage_calendar AS c ON c.table_name = 'firm_vintage' AND c.as_of <= DATE(d.decision_at)
  GROUP BY d.decision_id
)
SELECT r.decision_id, f.Number_Employees AS employees_of_quarter
FROM known_rep AS r
JOIN newest AS n ON n.decision_id = r.decision_id
JOIN firm_vintage AS f ON f.RIAFirmCRD = r.RIAFirmCRD AND f.as_of = n.as_of
