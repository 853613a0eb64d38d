-- Slots of the published table that a user would no longer have, and the first fact of the week that says why.
-- Without candidates, the slots that a fact of the week forbids, whatever would take their place.
WITH eligible_of_vehicle AS (
  SELECT f.vehicle_id, COUNT(*) AS n_products
  FROM {fitment} AS f
  JOIN {eligible} AS e ON e.product_id = f.product_id AND e.eligible
  GROUP BY f.vehicle_id
),
bought AS (
  SELECT DISTINCT e.user_id, p.base_product_id
  FROM {events} AS e
  JOIN {products} AS p ON p.product_id = e.product_id
  WHERE e.event_type = 'order' AND e.event_ts >= @since AND e.event_ts < @until
),
served AS (
  SELECT c.user_id, MIN(c.source) AS source FROM {candidates} AS c GROUP BY c.user_id
),
told AS (
  SELECT
    l.user_id,
    l.slot,
    l.product_id,
    l.vehicle_id,
    COALESCE(v.segment_id, 'unknown vehicle') AS segment_id,
    CASE
      WHEN u.user_id IS NULL THEN 'user gone'
      WHEN o.user_id IS NULL THEN 'vehicle no longer owned'
      WHEN p.product_id IS NULL THEN 'product gone'
      WHEN e.reason IN UNNEST(@price_reasons) THEN 'price below the rule'
      WHEN NOT COALESCE(e.eligible, FALSE) THEN 'no longer eligible'
      WHEN f.product_id IS NULL AND NOT (@universal_allowed AND p.is_universal) THEN 'fitment removed'
      WHEN COALESCE(n.n_products, 0) < @min_products THEN 'too few products for the vehicle'
      WHEN b.user_id IS NOT NULL THEN 'bought since'
      WHEN @with_candidates AND s.user_id IS NULL THEN 'no list any more'
      WHEN s.source <> l.source THEN 'policy changed'
      ELSE 'rank only'
    END AS reason,
    c.product_id IS NOT NULL AS kept
  FROM {published} AS l
  LEFT JOIN {users} AS u ON u.user_id = l.user_id
  LEFT JOIN {vehicles} AS v ON v.vehicle_id = l.vehicle_id
  LEFT JOIN {ownership} AS o ON o.user_id = l.user_id AND o.vehicle_id = l.vehicle_id
  LEFT JOIN {products} AS p ON p.product_id = l.product_id
  LEFT JOIN {eligible} AS e ON e.product_id = l.product_id
  LEFT JOIN {fitment} AS f ON f.product_id = l.product_id AND f.vehicle_id = l.vehicle_id
  LEFT JOIN eligible_of_vehicle AS n ON n.vehicle_id = l.vehicle_id
  LEFT JOIN bought AS b ON b.user_id = l.user_id AND b.base_product_id = p.base_product_id
  LEFT JOIN served AS s ON s.user_id = l.user_id
  LEFT JOIN {candidates} AS c ON c.user_id = l.user_id AND c.product_id = l.product_id
)
SELECT t.user_id, t.slot, t.product_id, t.vehicle_id, t.segment_id, t.reason
FROM told AS t
WHERE IF(@with_candidates, NOT t.kept, t.reason <> 'rank only')
ORDER BY t.user_id, t.slot
