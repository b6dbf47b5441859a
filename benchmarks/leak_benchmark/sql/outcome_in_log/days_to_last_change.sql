-- type: integer
SELECT d.decision_id, TIMESTAMP_DIFF(l.LastModifiedDate, d.decision_at, DAY) AS days_to_last_change
FROM decisions AS d
JOIN crm_leads AS l ON l.Id = d.decision_id AND l.known_at <= d.decision_at
