-- type: category
WITH owners AS (SELECT v.RIAFirmCRD AS firm, v.OwnershipType AS owner FROM firm_view AS v),
wide AS (SELECT r.*, o.owner FROM known_rep AS r LEFT JOIN owners AS o ON o.firm = r.RIAFirmCRD)
SELECT w.decision_id, w.owner AS ownership_in_view FROM wide AS w
