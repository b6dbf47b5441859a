-- days_in_gap computed from what was known at the decision, to compare with days_in_gap_current. One row per decision.
-- An end filed later is not known yet: the job looks open and the gap is 0.
WITH last_job AS (
  SELECT k.decision_id, k.decision_date, k.start_date, k.end_date, k.as_of, k.available_at
  FROM known_employment AS k
  QUALIFY ROW_NUMBER() OVER (PARTITION BY k.decision_id ORDER BY k.start_date DESC, k.firm DESC) = 1
)
SELECT
  d.decision_id,
  IF(
    j.decision_id IS NULL, NULL, IF(j.end_date < j.decision_date, DATE_DIFF(j.decision_date, j.end_date, DAY), 0)
  ) AS days_in_gap_as_known,
  j.as_of AS evidence_employment_vintage_as_of,
  j.available_at AS evidence_employment_vintage_known_at,
  TIMESTAMP(GREATEST(j.start_date, COALESCE(j.end_date, j.start_date))) AS evidence_employment_vintage_event_at
FROM decisions AS d
LEFT JOIN last_job AS j ON j.decision_id = d.decision_id
