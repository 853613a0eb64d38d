-- Products that stand twice in one user's list.
SELECT
  user_id,
  product_id,
  CONCAT('in ', CAST(COUNT(*) AS STRING), ' slots') AS found
FROM {staging}
GROUP BY user_id, product_id
HAVING COUNT(*) > 1
