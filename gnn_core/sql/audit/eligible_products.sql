-- Rows with a product that may not be recommended at all; the audit writes the judged products from the one Python rule.
SELECT
  s.user_id,
  s.product_id,
  COALESCE(e.reason, 'not in the catalogue') AS found
FROM {staging} AS s
LEFT JOIN {eligible} AS e ON e.product_id = s.product_id
WHERE NOT COALESCE(e.eligible, FALSE)
