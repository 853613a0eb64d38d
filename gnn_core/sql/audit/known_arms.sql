-- Rows with an arm outside the closed set; null is no arm.
SELECT
  user_id,
  product_id,
  arm AS found
FROM {staging}
WHERE arm IS NOT NULL AND arm NOT IN UNNEST(@arms)
