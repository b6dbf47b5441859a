-- type: integer
SELECT d.decision_id, COUNT(*) OVER (
    ORDER BY UNIX_SECONDS(d.decision_at) RANGE BETWEEN 604800 PRECEDING AND 604800 FOLLOWING) AS contacts_around
FROM decisions AS d
