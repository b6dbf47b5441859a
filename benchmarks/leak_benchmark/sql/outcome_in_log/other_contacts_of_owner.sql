-- type: integer
SELECT d.decision_id, COUNTIF(o.Stage_Entered_Contacting__c > l.Stage_Entered_Contacting__c)
  AS other_contacts_of_owner
FROM decisions AS d
JOIN crm_leads AS l ON l.Id = d.decision_id AND l.known_at <= d.decision_at
LEFT JOIN crm_leads AS o ON o.LeadSource = l.LeadSource AND o.known_at <= d.decision_at
GROUP BY d.decision_id
