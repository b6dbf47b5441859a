-- The newest vintage of each source known at a decision: (decision_id, source, as_of).
-- One row per decision and source; none while no vintage of the source was known.
-- Known means: it had arrived (available_at) and the instant it describes (as_of) had passed.
-- Consumers join on (key, as_of): an entity absent from this vintage is absent; nobody falls back to a stale row.
SELECT d.decision_id, c.source, MAX(c.as_of) AS as_of
FROM decisions AS d
JOIN vintage_calendar AS c
  ON c.available_at <= d.decision_at AND TIMESTAMP(c.as_of) <= d.decision_at
GROUP BY d.decision_id, c.source
