-- Candidates of a set of vehicles: what made the list of one of them, and the products of mixed base products.
-- Nothing else can make the set's list: what stands above a product on a vehicle's list stands above it, with the same
-- part type, on the set's. That holds where all variants of a base product have one part type; otherwise the best variant
-- in the set may free a place of the part type that the best variant on the vehicle took. So mixed base products take no
-- place on a vehicle's list (rank.sql) and all of them compete here.
WITH sets AS (
  SELECT DISTINCT list_key, vehicle_id
  FROM {owners}
  WHERE NOT is_personal
),
kept AS (
  SELECT list_key, product_id, score
  FROM {vehicle_lists}
  UNION ALL
  SELECT c.list_key, c.product_id, c.score
  FROM {candidates} AS c
  JOIN {eligible_products} AS e ON e.product_id = c.product_id
  WHERE e.is_mixed_base
)
SELECT s.list_key, k.product_id, s.vehicle_id, k.score
FROM sets AS s
JOIN kept AS k ON k.list_key = 'vehicle:' || s.vehicle_id
