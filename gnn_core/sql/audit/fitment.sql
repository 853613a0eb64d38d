-- Pairs without a year/make/model fitment row, unless the product is universal and universals are allowed.
SELECT
  s.user_id,
  s.product_id,
  CONCAT('no fitment row for ', COALESCE(s.vehicle_id, 'null')) AS found
FROM {staging} AS s
LEFT JOIN {fitment} AS f ON f.product_id = s.product_id AND f.vehicle_id = s.vehicle_id
LEFT JOIN {products} AS p ON p.product_id = s.product_id
WHERE f.product_id IS NULL AND NOT (@universal_allowed AND COALESCE(p.is_universal, FALSE))
