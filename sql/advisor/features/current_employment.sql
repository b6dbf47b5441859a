-- The job that says where the representative is at the decision: the newest start as known, its end ignored
-- (end dates are filed late). Two jobs begun on one day: the higher firm CRD. One row per decision with a history.
SELECT k.decision_id, k.decision_at, k.decision_date, k.as_of, k.available_at, k.firm, k.start_date
FROM known_employment AS k
QUALIFY ROW_NUMBER() OVER (PARTITION BY k.decision_id ORDER BY k.start_date DESC, k.firm DESC) = 1
