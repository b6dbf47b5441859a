-- type: number
WITH newest AS (
  SELECT h.RIA_INVESTOR_CRD_ID AS firm, h.YEAR * 12 + h.MONTH AS month, h.TOTAL_AUM AS assets
  FROM firm_history_vintage AS h
  QUALIFY ROW_NUMBER() OVER (PARTITION BY h.RIA_INVESTOR_CRD_ID, h.YEAR, h.MONTH ORDER BY h.available_at DESC) = 1
)
SELECT d.decision_id, SAFE_DIVIDE(b.assets - a.assets, a.assets) AS assets_growth_year
FROM decisions AS d
JOIN known_rep AS r ON r.decision_id = d.decision_id
JOIN newest AS b ON b.firm = r.RIAFirmCRD
  AND b.month = EXTRACT(YEAR FROM r.decision_at) * 12 + EXTRACT(MONTH FROM r.decision_at) - 1
JOIN newest AS a ON a.firm = b.firm AND a.month = b.month - 12
