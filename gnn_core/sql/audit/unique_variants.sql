-- Base products of which one user's list holds two variants, such as two colours of one part.
SELECT
  s.user_id,
  MAX(s.product_id) AS product_id,
  CONCAT(CAST(COUNT(DISTINCT s.product_id) AS STRING), ' variants of ', p.base_product_id) AS found
FROM {staging} AS s
JOIN {products} AS p ON p.product_id = s.product_id
GROUP BY s.user_id, p.base_product_id
HAVING COUNT(DISTINCT s.product_id) > 1
