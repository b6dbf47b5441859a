-- type: number
WITH ranks AS (
  SELECT r.RepCRD, r.as_of, r.available_at,
    PERCENT_RANK() OVER (PARTITION BY r.as_of, r.available_at ORDER BY r.TotalAssetsInMillions) AS place
  FROM rep_vintage AS r
)
SELECT d.decision_id, s.place AS assets_rank_in_vintage
FROM decisions AS d
LEFT JOIN ranks AS s ON s.RepCRD = d.RepCRD AND s.available_at <= d.decision_at
QUALIFY ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY s.as_of DESC) = 1
