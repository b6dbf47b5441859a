-- Decisions of a flat log taken on @day (UTC), for recipes whose features stand in the decision's own row.
-- One row per decision, scored at its own instant.
-- parameter: day DATE
SELECT l.decision_id, l.entity, l.decision_at
FROM decision_log AS l
WHERE l.decision_at >= TIMESTAMP(@day)
  AND l.decision_at < TIMESTAMP(DATE_ADD(@day, INTERVAL 1 DAY))
  AND l.entity IS NOT NULL
  AND NOT COALESCE(l.excluded, FALSE)
QUALIFY ROW_NUMBER() OVER (PARTITION BY l.decision_id ORDER BY l.decision_at, l.known_at) = 1
