-- type: number
WITH stated AS (
  SELECT d.decision_id, h.TOTAL_AUM AS assets,
    ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY h.as_of) AS place,
    COUNT(*) OVER (PARTITION BY d.decision_id) AS versions
  FROM decisions AS d
  JOIN known_rep AS r ON r.decision_id = d.decision_id
  JOIN firm_history_vintage AS h
    ON h.RIA_INVESTOR_CRD_ID = r.RIAFirmCRD
    AND h.YEAR * 12 + h.MONTH = EXTRACT(YEAR FROM r.decision_at) * 12 + EXTRACT(MONTH FROM r.decision_at) - 1
)
SELECT s.decision_id,
  MAX(IF(s.place = s.versions, s.assets, NULL)) - MAX(IF(s.place = 1, s.assets, NULL)) AS assets_correction
FROM stated AS s
GROUP BY s.decision_id
