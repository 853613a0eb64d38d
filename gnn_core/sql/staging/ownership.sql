-- Contract table ownership: each valid vehicle of a user, once.
WITH slots AS (
  SELECT
    v.user_id,
    v.vehicle_id,
    CASE
      WHEN v.problem IS NOT NULL THEN v.problem
      WHEN u.user_id IS NULL THEN 'unknown user'
    END AS drop_reason,
    COUNT(*) AS n_rows
  FROM {user_vehicles} AS v
  LEFT JOIN {users} AS u ON u.user_id = v.user_id
  GROUP BY 1, 2, 3
)
SELECT user_id, vehicle_id, drop_reason, n_rows
FROM slots
UNION ALL
SELECT user_id, vehicle_id, 'vehicle named twice by its user', n_rows - 1
FROM slots
WHERE drop_reason IS NULL AND n_rows > 1
