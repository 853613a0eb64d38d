-- Who gets a list, from which vehicles, and which list: `user:` of their own, or `set:` shared by everyone with the
-- same vehicles and nothing of their own that changes a list. Only vehicles with enough eligible products count.
-- n_bought is how many base products the user's list leaves out as bought.
WITH enough AS (
  SELECT f.vehicle_id
  FROM {fitment} AS f
  JOIN {eligible_products} AS e ON e.product_id = f.product_id
  WHERE e.eligible
  GROUP BY 1
  HAVING COUNT(*) >= @min_products
),
usable AS (
  SELECT o.user_id, o.vehicle_id
  FROM {ownership} AS o
  JOIN enough AS n ON n.vehicle_id = o.vehicle_id
  JOIN {users} AS u ON u.user_id = o.user_id
  WHERE u.email_consent OR NOT @require_consent
),
sets AS (
  SELECT user_id, STRING_AGG(vehicle_id, '\n' ORDER BY vehicle_id) AS vehicle_set
  FROM usable
  GROUP BY 1
),
bought AS (
  SELECT user_id, COUNT(*) AS n_bought
  FROM {purchases}
  GROUP BY 1
),
personal AS (
  SELECT user_id FROM bought
  UNION DISTINCT
  SELECT user_id FROM {intent}
)
SELECT
  o.user_id,
  o.vehicle_id,
  p.user_id IS NOT NULL AS is_personal,
  COALESCE(b.n_bought, 0) AS n_bought,
  IF(p.user_id IS NOT NULL, 'user:' || o.user_id, 'set:' || s.vehicle_set) AS list_key
FROM usable AS o
JOIN sets AS s ON s.user_id = o.user_id
LEFT JOIN personal AS p ON p.user_id = o.user_id
LEFT JOIN bought AS b ON b.user_id = o.user_id
