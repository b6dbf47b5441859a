-- type: integer
SELECT d.decision_id, TIMESTAMP_DIFF(d.decision_at, l.Stage_Entered_New__c, DAY) AS days_since_new_as_known
FROM decisions AS d
JOIN crm_leads AS l ON l.Id = d.decision_id AND l.known_at <= d.decision_at
