-- Rows of users that the week does not know.
SELECT
  s.user_id,
  s.product_id,
  'unknown user' AS found
FROM {staging} AS s
LEFT JOIN {users} AS u ON u.user_id = s.user_id
WHERE u.user_id IS NULL
