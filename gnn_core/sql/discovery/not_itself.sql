-- Products that name themselves, or a variant of their own base product.
SELECT
  CONCAT(s.product_id, ' ~ ', s.similar_product_id) AS item,
  CONCAT('both are ', a.base_product_id) AS found
FROM {staging} AS s
JOIN {products} AS a ON a.product_id = s.product_id
JOIN {products} AS b ON b.product_id = s.similar_product_id
WHERE a.base_product_id = b.base_product_id
