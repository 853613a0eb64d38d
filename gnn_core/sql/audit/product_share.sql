-- The product that stands in most lists of each policy, beside how many of the policy's users own one and the same
-- vehicle: those may well be shown the same.
WITH lists AS (
  SELECT s.source, COUNT(DISTINCT s.user_id) AS n_users
  FROM {staging} AS s
  GROUP BY s.source
),
shown AS (
  SELECT s.source, s.product_id, COUNT(DISTINCT s.user_id) AS n_lists
  FROM {staging} AS s
  GROUP BY s.source, s.product_id
),
owners AS (
  SELECT s.source, s.vehicle_id, COUNT(DISTINCT s.user_id) AS n_owners
  FROM {staging} AS s
  GROUP BY s.source, s.vehicle_id
),
alike AS (
  SELECT o.source, MAX(o.n_owners) AS n_alike
  FROM owners AS o
  GROUP BY o.source
)
SELECT
  l.source AS source,
  l.n_users AS n_users,
  a.n_alike AS n_alike,
  w.product_id AS product_id,
  w.n_lists AS n_lists
FROM lists AS l
JOIN alike AS a ON a.source = l.source
JOIN shown AS w ON w.source = l.source
WHERE l.n_users >= @least
QUALIFY ROW_NUMBER() OVER (PARTITION BY l.source ORDER BY w.n_lists DESC, w.product_id) = 1
ORDER BY source
