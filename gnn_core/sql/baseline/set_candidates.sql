-- Candidates of a set of vehicles: what made the list of one of them. Nothing else can make the set's list: every
-- product above another on one vehicle's list is above it, with a score at least as high, on the set's.
WITH sets AS (
  SELECT DISTINCT list_key, vehicle_id
  FROM {owners}
  WHERE NOT is_personal
)
SELECT s.list_key, r.product_id, s.vehicle_id, r.score
FROM sets AS s
JOIN {vehicle_lists} AS r ON r.list_key = 'vehicle:' || s.vehicle_id
