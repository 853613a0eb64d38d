-- The business rules over the candidates: best vehicle of a product, best variant of a base product, at most
-- @max_per_part_type of a part type, then the top @slots. Ties by product_id everywhere.
WITH best_vehicle AS (
  SELECT c.list_key, c.product_id, c.vehicle_id, c.score, e.base_product_id, e.part_type
  FROM {candidates} AS c
  JOIN {eligible_products} AS e ON e.product_id = c.product_id
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.list_key, c.product_id ORDER BY c.score DESC, c.vehicle_id) = 1
),
best_variant AS (
  SELECT *
  FROM best_vehicle
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY list_key, base_product_id ORDER BY score DESC, product_id) = 1
),
capped AS (
  SELECT *
  FROM best_variant
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY list_key, part_type ORDER BY score DESC, product_id) <= @max_per_part_type
)
SELECT
  list_key,
  product_id,
  vehicle_id,
  score,
  ROW_NUMBER() OVER (PARTITION BY list_key ORDER BY score DESC, product_id) AS slot
FROM capped
WHERE TRUE
QUALIFY slot <= @slots
