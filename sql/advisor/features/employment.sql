-- The 11 base and 3 engineered features of the original Contacted-to-MQL model, from employment and firm
-- history as known at the decision. One row per decision; missing stays missing, never 0 or a default.
WITH known AS (
  SELECT
    d.decision_id,
    a.firm_aum_pit,
    a.aum_growth_since_jan2024_pct,
    DATE_DIFF(c.decision_date, c.start_date, MONTH) AS current_firm_tenure_months,
    h.industry_tenure_months,
    h.firms - IF(c.firm IS NULL, 0, 1) AS num_prior_firms,
    h.pit_moves_3yr,
    -- a firm the vintage shows nobody at, and no movement for a year, has a count: 0
    IF(c.firm IS NULL, NULL, COALESCE(s.head_count, 0)) AS firm_rep_count_at_contact,
    IF(c.firm IS NULL, NULL, COALESCE(s.net_change, 0)) AS firm_net_change_12mo,
    c.as_of AS employment_as_of,
    GREATEST(h.known_at, COALESCE(s.available_at, h.known_at)) AS employment_known_at,
    GREATEST(h.newest_event, COALESCE(s.newest_event, h.newest_event)) AS employment_event,
    a.as_of AS firm_history_as_of,
    a.known_at AS firm_history_known_at,
    a.newest_event AS firm_history_event
  FROM decisions AS d
  LEFT JOIN current_employment AS c ON c.decision_id = d.decision_id
  LEFT JOIN employment_history AS h ON h.decision_id = d.decision_id
  LEFT JOIN firm_staff AS s
    ON s.firm = c.firm
    AND s.as_of = c.as_of
    AND s.available_at >= c.available_at
    AND s.available_at <= d.decision_at
    AND (s.first_day IS NULL OR c.decision_date >= s.first_day)
    AND (s.last_day IS NULL OR c.decision_date <= s.last_day)
  LEFT JOIN firm_assets AS a ON a.decision_id = d.decision_id
),
paced AS (
  SELECT
    k.*,
    SAFE_DIVIDE(
      GREATEST(0, k.industry_tenure_months - k.current_firm_tenure_months), GREATEST(1, k.num_prior_firms)
    ) AS average_prior_months
  FROM known AS k
)
SELECT
  p.decision_id,
  p.aum_growth_since_jan2024_pct,
  p.current_firm_tenure_months,
  p.firm_aum_pit,
  p.firm_net_change_12mo,
  p.firm_rep_count_at_contact,
  p.industry_tenure_months,
  p.num_prior_firms,
  IF(p.pit_moves_3yr IS NULL, NULL, IF(p.pit_moves_3yr >= 3, 1, 0)) AS pit_mobility_tier_Highly_Mobile,
  IF(p.pit_moves_3yr IS NULL, NULL, IF(p.pit_moves_3yr = 2, 1, 0)) AS pit_mobility_tier_Mobile,
  IF(p.pit_moves_3yr IS NULL, NULL, IF(p.pit_moves_3yr = 0, 1, 0)) AS pit_mobility_tier_Stable,
  p.pit_moves_3yr,
  LEAST(
    100,
    GREATEST(
      0,
      IF(
        p.average_prior_months > 0.1,
        SAFE_DIVIDE(p.current_firm_tenure_months, p.average_prior_months),
        p.current_firm_tenure_months
      )
    )
  ) AS pit_restlessness_ratio,
  LEAST(1000, GREATEST(-1000, p.pit_moves_3yr * -LEAST(100, GREATEST(-100, p.firm_net_change_12mo))))
    AS flight_risk_score,
  IF(p.current_firm_tenure_months IS NULL, NULL, IF(p.current_firm_tenure_months < 12, 1, 0)) AS is_fresh_start,
  p.employment_as_of AS evidence_employment_vintage_as_of,
  p.employment_known_at AS evidence_employment_vintage_known_at,
  TIMESTAMP(p.employment_event) AS evidence_employment_vintage_event_at,
  p.firm_history_as_of AS evidence_firm_history_vintage_as_of,
  p.firm_history_known_at AS evidence_firm_history_vintage_known_at,
  TIMESTAMP(p.firm_history_event) AS evidence_firm_history_vintage_event_at
FROM paced AS p
