-- Rows that score higher than the slot before them. NaN and null are another rule's business.
SELECT
  user_id,
  product_id,
  CONCAT(CAST(final_score AS STRING), ' in slot ', CAST(slot AS STRING), ' after ', CAST(above AS STRING)) AS found
FROM (
  SELECT
    user_id,
    product_id,
    slot,
    final_score,
    LAG(final_score) OVER (PARTITION BY user_id ORDER BY slot, final_score DESC) AS above
  FROM {staging}
)
WHERE final_score > above AND NOT IS_NAN(final_score) AND NOT IS_NAN(above)
