-- Products of the live run by dot product with one user's vector, exactly: what VECTOR_SEARCH approximates.
WITH live AS (
  SELECT run_id FROM {live}
),
asked AS (
  SELECT x AS value, place AS place
  FROM {users} AS u
  JOIN live AS l ON l.run_id = u.run_id
  JOIN {audience} AS a ON a.run_id = u.run_id AND a.row_id = u.row_id
  CROSS JOIN UNNEST(a.vector) AS x WITH OFFSET AS place
  WHERE u.user_id = @user
),
offered AS (
  SELECT p.product_id AS product_id, y AS value, place AS place
  FROM {products} AS p
  JOIN live AS l ON l.run_id = p.run_id
  CROSS JOIN UNNEST(p.vector) AS y WITH OFFSET AS place
  WHERE p.eligible
)
SELECT o.product_id AS product_id, SUM(o.value * q.value) AS dot_product
FROM offered AS o
JOIN asked AS q ON q.place = o.place
GROUP BY o.product_id
ORDER BY dot_product DESC, product_id
LIMIT 100
