-- Violations: training rows of @as_of that used a fact whose event lies after the decision.
-- One row per training row and source: decision_id, fact, fact_at, decision_at.
-- parameter: as_of DATE
WITH facts AS (
  SELECT t.decision_id, t.decision_at, 'rep_vintage' AS fact, t.evidence_rep_vintage_event_at AS fact_at
  FROM training_table AS t
  WHERE t.as_of = @as_of
  UNION ALL
  SELECT t.decision_id, t.decision_at, 'firm_vintage' AS fact, t.evidence_firm_vintage_event_at AS fact_at
  FROM training_table AS t
  WHERE t.as_of = @as_of
  UNION ALL
  SELECT t.decision_id, t.decision_at, 'employment_vintage' AS fact, t.evidence_employment_vintage_event_at AS fact_at
  FROM training_table AS t
  WHERE t.as_of = @as_of
  UNION ALL
  SELECT
    t.decision_id,
    t.decision_at,
    'firm_history_vintage' AS fact,
    t.evidence_firm_history_vintage_event_at AS fact_at
  FROM training_table AS t
  WHERE t.as_of = @as_of
)
SELECT f.decision_id, f.fact, f.fact_at, f.decision_at
FROM facts AS f
WHERE f.fact_at > f.decision_at
