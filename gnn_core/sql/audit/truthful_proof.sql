-- Rows whose proof label does not say why the product may stand there. Universal = flagged so and no fitment row at all.
SELECT
  s.user_id,
  s.product_id,
  CONCAT('labelled ', COALESCE(s.fitment_proof, 'null')) AS found
FROM {staging} AS s
LEFT JOIN {products} AS p ON p.product_id = s.product_id
LEFT JOIN (SELECT DISTINCT product_id FROM {fitment}) AS f ON f.product_id = s.product_id
WHERE NOT COALESCE(
  s.fitment_proof = IF(COALESCE(p.is_universal, FALSE) AND f.product_id IS NULL, 'universal', 'fitment'),
  FALSE
)
