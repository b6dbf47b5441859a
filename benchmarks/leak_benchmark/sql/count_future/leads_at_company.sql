-- type: integer
WITH asked AS (
  SELECT l.RepCRD, COUNT(*) AS leads FROM crm_leads AS l GROUP BY l.RepCRD
)
SELECT d.decision_id, a.leads AS leads_at_company FROM decisions AS d LEFT JOIN asked AS a ON a.RepCRD = d.RepCRD
