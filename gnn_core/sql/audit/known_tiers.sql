-- Rows with an engagement tier outside the closed set.
SELECT
  user_id,
  product_id,
  COALESCE(engagement_tier, 'null') AS found
FROM {staging}
WHERE NOT COALESCE(engagement_tier IN UNNEST(@tiers), FALSE)
