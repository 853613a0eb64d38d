-- Rows whose part type or image is not the catalogue's: the e-mail would show another part than the one it links to.
SELECT
  s.user_id,
  s.product_id,
  CONCAT(
    COALESCE(s.part_type, 'null'), ' ', COALESCE(s.image_url, 'null'), ', catalogue ',
    COALESCE(p.part_type, 'has none'), ' ', COALESCE(p.image_url, 'has none')
  ) AS found
FROM {staging} AS s
LEFT JOIN {products} AS p ON p.product_id = s.product_id
WHERE NOT COALESCE(s.part_type = p.part_type AND s.image_url = p.image_url, FALSE)
