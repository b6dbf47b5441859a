-- type: number
WITH told AS (
  SELECT r.RepCRD, r.as_of, r.available_at,
    LAST_VALUE(r.Number_BranchAdvisors) OVER (
      PARTITION BY r.RepCRD ORDER BY r.as_of ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS size
  FROM rep_vintage AS r
)
SELECT d.decision_id, t.size AS final_branch_size
FROM decisions AS d
JOIN told AS t ON t.RepCRD = d.RepCRD AND t.available_at <= d.decision_at
QUALIFY ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY t.as_of DESC) = 1
