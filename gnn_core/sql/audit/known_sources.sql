-- Rows from a policy that may not be published.
SELECT
  user_id,
  product_id,
  COALESCE(source, 'null') AS found
FROM {staging}
WHERE NOT COALESCE(source IN UNNEST(@sources), FALSE)
