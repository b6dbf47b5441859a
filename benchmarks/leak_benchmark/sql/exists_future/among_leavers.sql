-- type: flag
SELECT d.decision_id, IF(d.RepCRD IN (
    SELECT e.RIA_CONTACT_CRD_ID FROM employment_vintage AS e
      WHERE e.PREVIOUS_REGISTRATION_COMPANY_END_DATE >= DATE '2025-01-01'), 1, 0) AS among_leavers
FROM decisions AS d
