-- type: integer
WITH history AS (SELECT * FROM employment_current),
jobs AS (SELECT h.RIA_CONTACT_CRD_ID AS rep, COUNT(DISTINCT h.PREVIOUS_REGISTRATION_COMPANY_CRD_ID)
  AS firms FROM history AS h GROUP BY rep)
SELECT d.decision_id, j.firms AS jobs_in_history FROM decisions AS d JOIN jobs AS j ON j.rep = d.RepCRD
