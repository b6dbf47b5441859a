-- type: number
SELECT r.decision_id,
  r.TotalAssetsInMillions - AVG(r.TotalAssetsInMillions) OVER (
    ORDER BY r.decision_at, r.decision_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
      AS assets_against_earlier_mean
FROM known_rep AS r
