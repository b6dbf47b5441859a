SELECT f.RIAFirmCRD, f.Number_Employees, f.OwnershipType
FROM firm_vintage AS f
WHERE f.as_of IN (SELECT MAX(n.as_of) FROM firm_vintage AS n)
