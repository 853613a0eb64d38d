-- Slots that a user has more than once; the wide view would pick one of them at random.
SELECT
  user_id,
  CAST(NULL AS STRING) AS product_id,
  CONCAT('slot ', CAST(slot AS STRING), ' in ', CAST(COUNT(*) AS STRING), ' rows') AS found
FROM {staging}
GROUP BY user_id, slot
HAVING COUNT(*) > 1
