-- type: number
WITH ahead AS (
  SELECT r.RepCRD, r.as_of, r.available_at,
    MAX(r.TotalAssetsInMillions) OVER (
      PARTITION BY r.RepCRD ORDER BY r.as_of ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS highest
  FROM rep_vintage AS r
)
SELECT d.decision_id, a.highest AS highest_assets_from_here
FROM decisions AS d
JOIN ahead AS a ON a.RepCRD = d.RepCRD AND a.available_at <= d.decision_at AND a.as_of <= DATE(d.decision_at)
QUALIFY ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY a.as_of DESC) = 1
