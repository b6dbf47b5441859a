-- The newest vintage of each source known at a decision, as it stood then: (decision_id, source, as_of, available_at).
-- One row per decision and source; none while no vintage of the source was known.
-- Known means: it had arrived (available_at) and the instant it describes (as_of) had passed. Of several arrivals of
-- that vintage it is the last that had arrived by then: a correction is not seen before it came.
-- Consumers join on (key, as_of, available_at): an entity absent from this arrival is absent; nobody falls back to a
-- stale row, and no two arrivals of one vintage are read for one decision.
WITH newest AS (
  SELECT d.decision_id, d.decision_at, c.source, MAX(c.as_of) AS as_of
  FROM decisions AS d
  JOIN vintage_calendar AS c
    ON c.available_at <= d.decision_at AND TIMESTAMP(c.as_of) <= d.decision_at
  GROUP BY d.decision_id, d.decision_at, c.source
)
SELECT n.decision_id, n.source, n.as_of, MAX(c.available_at) AS available_at
FROM newest AS n
JOIN vintage_calendar AS c
  ON c.source = n.source AND c.as_of = n.as_of AND c.available_at <= n.decision_at
GROUP BY n.decision_id, n.source, n.as_of
