-- Weekday of the decision in UTC, Monday = 1 … Sunday = 7 (BigQuery counts Sunday = 1), and whether it is a weekend.
-- One row per decision. Known at the decision itself, not when a list of prospects is built.
WITH weekdays AS (
  SELECT d.decision_id, MOD(EXTRACT(DAYOFWEEK FROM d.decision_at) + 5, 7) + 1 AS Day_of_Contact
  FROM decisions AS d
)
SELECT w.decision_id, w.Day_of_Contact, IF(w.Day_of_Contact >= 6, 1, 0) AS Is_Weekend_Contact
FROM weekdays AS w
