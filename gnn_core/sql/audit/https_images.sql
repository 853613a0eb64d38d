-- Rows whose image is not an https address.
SELECT
  user_id,
  product_id,
  COALESCE(image_url, 'null') AS found
FROM {staging}
WHERE NOT COALESCE(STARTS_WITH(image_url, 'https://') AND LENGTH(image_url) > 8, FALSE)
