-- How many users got how many slots, and why the others got none.
WITH slots AS (
  SELECT user_id, COUNT(*) AS n_slots
  FROM {lists}
  GROUP BY 1
),
usable AS (
  SELECT DISTINCT user_id
  FROM {owners}
)
SELECT
  COUNT(*) AS users,
  COUNTIF(s.n_slots = @slots) AS users_with_all_slots,
  COUNTIF(s.n_slots < @slots) AS users_with_fewer_slots,
  COUNTIF(@require_consent AND NOT u.email_consent) AS dropped_without_consent,
  COUNTIF(w.user_id IS NULL AND (u.email_consent OR NOT @require_consent)) AS dropped_vehicle_with_too_few_products,
  COUNTIF(w.user_id IS NOT NULL AND s.user_id IS NULL) AS dropped_too_few_slots
FROM {users} AS u
LEFT JOIN usable AS w ON w.user_id = u.user_id
LEFT JOIN slots AS s ON s.user_id = u.user_id
