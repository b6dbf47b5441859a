-- type: number
SELECT d.decision_id, r.TotalAssetsInMillions AS assets_of_quarter
FROM decisions AS d
JOIN rep_vintage AS r ON r.RepCRD = d.RepCRD AND r.as_of <= DATE(d.decision_at)
QUALIFY ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY r.as_of DESC) = 1
