-- type: number
SELECT r.decision_id, PERCENT_RANK() OVER (ORDER BY r.TotalAssetsInMillions) AS assets_rank FROM known_rep AS r
