-- Rows whose price is not the week's catalogue price of that product: stale, invented, or of an unknown product.
SELECT
  s.user_id,
  s.product_id,
  CONCAT(
    COALESCE(CAST(s.price AS STRING), 'null'), ' USD, catalogue ',
    COALESCE(CAST(p.price AS STRING), 'has none')
  ) AS found
FROM {staging} AS s
LEFT JOIN {products} AS p ON p.product_id = s.product_id
WHERE NOT COALESCE(s.price = p.price AND NOT IS_NAN(s.price) AND NOT IS_NAN(p.price), FALSE)
