-- type: number
WITH newest AS (
  SELECT h.RIA_INVESTOR_CRD_ID AS firm, h.YEAR * 12 + h.MONTH AS month, h.TOTAL_AUM AS assets
  FROM firm_history_vintage AS h
  QUALIFY ROW_NUMBER() OVER (PARTITION BY h.RIA_INVESTOR_CRD_ID, h.YEAR, h.MONTH ORDER BY h.as_of DESC) = 1
)
SELECT d.decision_id, 0.2 * LN(1 + n.assets) + MOD(d.RepCRD * 7919 + UNIX_SECONDS(d.decision_at) * 104729
  + 37, 1000003) / 1000003.0 AS wealth_score
FROM decisions AS d
JOIN known_rep AS r ON r.decision_id = d.decision_id
JOIN newest AS n ON n.firm = r.RIAFirmCRD
  AND n.month = EXTRACT(YEAR FROM r.decision_at) * 12 + EXTRACT(MONTH FROM r.decision_at) - 1
