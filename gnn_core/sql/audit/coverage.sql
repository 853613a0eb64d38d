-- How many users could be served, and how many of them are. A vehicle can be served with min_products eligible products.
WITH served AS (
  SELECT f.vehicle_id
  FROM {fitment} AS f
  JOIN {eligible} AS e ON e.product_id = f.product_id
  WHERE e.eligible
  GROUP BY f.vehicle_id
  HAVING COUNT(DISTINCT f.product_id) >= @min_products
),
base AS (
  SELECT DISTINCT o.user_id
  FROM {ownership} AS o
  JOIN served AS v ON v.vehicle_id = o.vehicle_id
  JOIN {users} AS u ON u.user_id = o.user_id
  WHERE NOT @consent_required OR u.email_consent
)
SELECT COUNT(*) AS n_base, COUNT(s.user_id) AS n_covered
FROM base AS b
LEFT JOIN (SELECT DISTINCT user_id FROM {staging}) AS s ON s.user_id = b.user_id
