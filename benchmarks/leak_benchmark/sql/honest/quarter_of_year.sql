-- type: integer
SELECT d.decision_id, EXTRACT(QUARTER FROM d.decision_at) AS quarter_of_year FROM decisions AS d
