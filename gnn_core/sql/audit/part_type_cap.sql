-- Users with more than max_per_part_type products of one part type, by the catalogue's word, not the row's.
SELECT
  s.user_id,
  MAX(s.product_id) AS product_id,
  CONCAT(CAST(COUNT(DISTINCT s.product_id) AS STRING), ' of ', p.part_type) AS found
FROM {staging} AS s
JOIN {products} AS p ON p.product_id = s.product_id
GROUP BY s.user_id, p.part_type
HAVING COUNT(DISTINCT s.product_id) > @max_per_part_type
