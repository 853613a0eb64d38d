-- Rows that name a vehicle which the user does not own.
SELECT
  s.user_id,
  s.product_id,
  COALESCE(s.vehicle_id, 'null') AS found
FROM {staging} AS s
LEFT JOIN {ownership} AS o ON o.user_id = s.user_id AND o.vehicle_id = s.vehicle_id
WHERE o.user_id IS NULL
