-- type: number
SELECT r.decision_id,
  SAFE_DIVIDE(r.TotalAssetsInMillions - AVG(r.TotalAssetsInMillions) OVER (),
    STDDEV_SAMP(r.TotalAssetsInMillions) OVER ()) AS assets_standardised
FROM known_rep AS r
