-- Slots of the candidates that a user does not have in the published table, and the first newer fact that says why.
WITH served AS (
  SELECT l.user_id, MIN(l.source) AS source FROM {published} AS l GROUP BY l.user_id
)
SELECT
  c.user_id,
  c.slot,
  c.product_id,
  c.vehicle_id,
  COALESCE(v.segment_id, 'unknown vehicle') AS segment_id,
  CASE
    WHEN s.user_id IS NULL THEN 'user newly served'
    WHEN NOT @previous_known THEN 'not told apart: the week before has no tables'
    WHEN o.user_id IS NULL THEN 'vehicle newly owned'
    WHEN p.product_id IS NULL THEN 'new product'
    WHEN NOT COALESCE(e.eligible, FALSE) THEN 'newly eligible'
    WHEN f.product_id IS NULL AND c.fitment_proof = 'fitment' THEN 'fitment added'
    WHEN s.source <> c.source THEN 'policy changed'
    ELSE 'rank only'
  END AS reason
FROM {candidates} AS c
LEFT JOIN {published} AS l ON l.user_id = c.user_id AND l.product_id = c.product_id
LEFT JOIN served AS s ON s.user_id = c.user_id
LEFT JOIN {vehicles} AS v ON v.vehicle_id = c.vehicle_id
LEFT JOIN {ownership} AS o ON o.user_id = c.user_id AND o.vehicle_id = c.vehicle_id
LEFT JOIN {products} AS p ON p.product_id = c.product_id
LEFT JOIN {eligible} AS e ON e.product_id = c.product_id
LEFT JOIN {fitment} AS f ON f.product_id = c.product_id AND f.vehicle_id = c.vehicle_id
WHERE l.product_id IS NULL
ORDER BY c.user_id, c.slot
