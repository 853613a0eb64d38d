-- Rows of users without e-mail consent, where the setting asks for it.
SELECT
  s.user_id,
  s.product_id,
  'no e-mail consent' AS found
FROM {staging} AS s
JOIN {users} AS u ON u.user_id = s.user_id
WHERE @consent_required AND NOT COALESCE(u.email_consent, FALSE)
