-- type: flag
SELECT r.decision_id, IF(NOT EXISTS (
    SELECT 1 FROM rep_vintage AS n
    WHERE n.RepCRD = r.RepCRD AND n.RIAFirmCRD = r.RIAFirmCRD AND n.as_of > r.vintage_as_of), 0, 1) AS still_there
FROM (SELECT k.*, d.RepCRD FROM known_rep AS k JOIN decisions AS d ON d.decision_id = k.decision_id) AS r
