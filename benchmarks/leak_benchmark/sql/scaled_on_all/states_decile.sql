-- type: integer
SELECT r.decision_id, NTILE(10) OVER (ORDER BY r.Number_RegisteredStates, r.decision_id) AS states_decile
FROM known_rep AS r
