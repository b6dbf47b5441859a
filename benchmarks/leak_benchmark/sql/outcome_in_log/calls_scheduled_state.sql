-- type: integer
SELECT d.decision_id, COUNT(o.Stage_Entered_Call_Scheduled__c) AS calls_scheduled_state
FROM decisions AS d
JOIN crm_leads AS l ON l.Id = d.decision_id AND l.known_at <= d.decision_at
LEFT JOIN crm_leads AS o ON o.State = l.State AND o.known_at <= d.decision_at
GROUP BY d.decision_id
