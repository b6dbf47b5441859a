-- type: flag
SELECT d.decision_id, IF(EXISTS (
    SELECT 1 FROM employment_vintage AS e
    WHERE e.RIA_CONTACT_CRD_ID = d.RepCRD AND e.available_at <= d.decision_at AND e.as_of <= DATE(d.decision_at)
      AND e.PREVIOUS_REGISTRATION_COMPANY_START_DATE > DATE_SUB(DATE(d.decision_at), INTERVAL 365 DAY)), 1,
        0) AS moved_lately_as_known
FROM decisions AS d
