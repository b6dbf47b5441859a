-- type: number
SELECT d.decision_id, MAX(h.TOTAL_AUM) AS assets_highest_statement
FROM decisions AS d
JOIN known_rep AS r ON r.decision_id = d.decision_id
JOIN firm_history_vintage AS h
    ON h.RIA_INVESTOR_CRD_ID = r.RIAFirmCRD
    AND h.YEAR * 12 + h.MONTH = EXTRACT(YEAR FROM r.decision_at) * 12 + EXTRACT(MONTH FROM r.decision_at) - 1
GROUP BY d.decision_id
