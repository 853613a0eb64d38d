-- Rows for a vehicle with fewer than min_products eligible products: too few to be recommended for.
WITH served AS (
  SELECT f.vehicle_id
  FROM {fitment} AS f
  JOIN {eligible} AS e ON e.product_id = f.product_id
  WHERE e.eligible
  GROUP BY f.vehicle_id
  HAVING COUNT(DISTINCT f.product_id) >= @min_products
)
SELECT
  s.user_id,
  s.product_id,
  COALESCE(s.vehicle_id, 'null') AS found
FROM {staging} AS s
LEFT JOIN served AS v ON v.vehicle_id = s.vehicle_id
WHERE v.vehicle_id IS NULL
