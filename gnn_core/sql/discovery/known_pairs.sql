-- Pairs of which a product is not in the catalogue, or that share no make and model (unless one of them is universal).
-- EXISTS and no third join: joins may be reordered, and all products of one make and model by all of them is their square.
WITH models AS (
  SELECT DISTINCT f.product_id, v.segment_id
  FROM {fitment} AS f
  JOIN {vehicles} AS v ON v.vehicle_id = f.vehicle_id
),
shared AS (
  SELECT DISTINCT s.product_id, s.similar_product_id
  FROM {staging} AS s
  JOIN models AS a ON a.product_id = s.product_id
  WHERE EXISTS (
    SELECT 1 FROM models AS b WHERE b.product_id = s.similar_product_id AND b.segment_id = a.segment_id
  )
)
SELECT
  CONCAT(s.product_id, ' ~ ', s.similar_product_id) AS item,
  IF(p.product_id IS NULL OR q.product_id IS NULL, 'not in the catalogue', 'no vehicle in common') AS found
FROM {staging} AS s
LEFT JOIN {products} AS p ON p.product_id = s.product_id
LEFT JOIN {products} AS q ON q.product_id = s.similar_product_id
LEFT JOIN shared AS h ON h.product_id = s.product_id AND h.similar_product_id = s.similar_product_id
WHERE p.product_id IS NULL
  OR q.product_id IS NULL
  OR (h.product_id IS NULL AND NOT p.is_universal AND NOT q.is_universal)
