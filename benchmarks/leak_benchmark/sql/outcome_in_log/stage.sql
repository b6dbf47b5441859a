-- type: category
SELECT d.decision_id, l.Status AS stage
FROM decisions AS d
JOIN crm_leads AS l ON l.Id = d.decision_id AND l.known_at <= d.decision_at
