-- Leads to score on the morning of @day: known before the day began, not contacted and without an outcome by then.
-- One row per entity: of several open leads the one known last, then the smaller identifier.
-- decision_at is the start of the day in UTC. Rewinds the log by its own instants, so a past day gives the leads that
-- were open then.
-- parameter: day DATE
SELECT l.decision_id, l.entity, TIMESTAMP(@day) AS decision_at
FROM decision_log AS l
WHERE l.known_at < TIMESTAMP(@day)
  AND l.entity IS NOT NULL
  AND (l.decision_at IS NULL OR l.decision_at >= TIMESTAMP(@day))
  AND (l.outcome_at IS NULL OR l.outcome_at >= TIMESTAMP(@day))
  AND NOT COALESCE(l.excluded, FALSE)
QUALIFY ROW_NUMBER() OVER (PARTITION BY l.entity ORDER BY l.known_at DESC, l.decision_id) = 1
