-- The newest vintage of each source known at a decision, as it stood then: (decision_id, table_name, as_of,
-- available_at).
-- One row per decision and source; none while no vintage of the source was known.
-- Known means: it had arrived (available_at) and the instant it describes (as_of) had passed. Of several arrivals of
-- that vintage it is the last that had arrived by then: a correction is not seen before it came.
-- Consumers join on (key, as_of) and available_at from this arrival's to the decision, which is this arrival alone: an
-- entity absent from it is absent; nobody falls back to a stale row, and no two arrivals are read for one decision.
-- Aggregations alone, and no equality on available_at: an engine that overestimates these few rows, or sees a second
-- equality, joins whole vintages before it looks at keys (forty times the time, measured on the demo market).
WITH arrived AS (
  SELECT d.decision_id, c.table_name, c.as_of, MAX(c.available_at) AS available_at
  FROM decisions AS d
  JOIN vintage_calendar AS c
    ON c.available_at <= d.decision_at AND TIMESTAMP(c.as_of) <= d.decision_at
  GROUP BY d.decision_id, c.table_name, c.as_of
)
SELECT
  a.decision_id,
  a.table_name,
  MAX(a.as_of) AS as_of,
  ANY_VALUE(a.available_at HAVING MAX a.as_of) AS available_at
FROM arrived AS a
GROUP BY a.decision_id, a.table_name
