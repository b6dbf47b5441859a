-- type: number
WITH known AS (
  SELECT d.decision_id, r.as_of, r.TotalAssetsInMillions AS assets
  FROM decisions AS d
  JOIN rep_vintage AS r ON r.RepCRD = d.RepCRD AND r.available_at <= d.decision_at
),
changes AS (
  SELECT k.decision_id, k.as_of,
    k.assets - LAG(k.assets) OVER (PARTITION BY k.decision_id ORDER BY k.as_of) AS change
  FROM known AS k
)
SELECT d.decision_id, c.change AS assets_change_as_known
FROM decisions AS d
LEFT JOIN changes AS c ON c.decision_id = d.decision_id
QUALIFY ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY c.as_of DESC) = 1
