-- type: flag
SELECT d.decision_id, IF(EXISTS (
    SELECT 1 FROM employment_vintage AS e
    WHERE e.RIA_CONTACT_CRD_ID = d.RepCRD AND e.PREVIOUS_REGISTRATION_COMPANY_START_DATE > DATE(d.decision_at)
      AND e.PREVIOUS_REGISTRATION_COMPANY_START_DATE <= DATE_ADD(DATE(d.decision_at), INTERVAL 90 DAY)), 1,
        0) AS will_start_a_job
FROM decisions AS d
