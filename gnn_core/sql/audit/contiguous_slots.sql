-- Users whose slots are not 1, 2, …, n with n between min_slots and slots. Repeats are another rule's business.
SELECT
  user_id,
  CAST(NULL AS STRING) AS product_id,
  CONCAT(
    CAST(COUNT(DISTINCT slot) AS STRING), ' slots from ',
    COALESCE(CAST(MIN(slot) AS STRING), 'null'), ' to ', COALESCE(CAST(MAX(slot) AS STRING), 'null')
  ) AS found
FROM {staging}
GROUP BY user_id
HAVING NOT COALESCE(
  MIN(slot) = 1
  AND MAX(slot) = COUNT(DISTINCT slot)
  AND COUNT(DISTINCT slot) >= @min_slots
  AND COUNT(DISTINCT slot) <= @slots,
  FALSE
)
