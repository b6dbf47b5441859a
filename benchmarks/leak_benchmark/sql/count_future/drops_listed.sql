-- type: integer
WITH listed AS (SELECT r.RepCRD, COUNT(*) AS drops FROM rep_vintage AS r GROUP BY r.RepCRD)
SELECT d.decision_id, l.drops AS drops_listed FROM decisions AS d LEFT JOIN listed AS l ON l.RepCRD = d.RepCRD
