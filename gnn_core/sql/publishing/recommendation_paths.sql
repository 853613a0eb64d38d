-- The typed edges behind every reason, a row an edge: explanation/edges.py in SQL. Other people have no id here.
WITH templates AS (
  SELECT 'own' AS reason_path, 3 AS step, 'user' AS source, 'event' AS edge, 'product' AS target
  UNION ALL SELECT 'bought_together', 3, 'user', 'event', 'via'
  UNION ALL SELECT 'bought_together', 4, 'via', 'co_purchased', 'product'
  UNION ALL SELECT 'taken_together', 3, 'user', 'event', 'via'
  UNION ALL SELECT 'taken_together', 4, 'via', 'rev_interacts', 'other user'
  UNION ALL SELECT 'taken_together', 5, 'other user', 'interacts', 'product'
  UNION ALL SELECT 'owners', 3, 'vehicle', 'rev_owns', 'other user'
  UNION ALL SELECT 'owners', 4, 'other user', 'interacts', 'product'
  UNION ALL SELECT 'other_owners', 3, 'product', 'fits', 'other vehicle'
  UNION ALL SELECT 'other_owners', 4, 'other vehicle', 'rev_owns', 'other user'
  UNION ALL SELECT 'other_owners', 5, 'other user', 'interacts', 'product'
),
steps AS (
  SELECT r.user_id, r.slot, r.vehicle_id, r.product_id, r.reason_product_id, r.reason_event, 1 AS step,
    'user' AS source, 'owns' AS edge, 'vehicle' AS target
  FROM {live} AS r
  UNION ALL
  SELECT r.user_id, r.slot, r.vehicle_id, r.product_id, r.reason_product_id, r.reason_event, 2 AS step,
    'vehicle' AS source, 'rev_fits' AS edge, 'product' AS target
  FROM {live} AS r WHERE r.fitment_proof = 'fitment'
  UNION ALL
  SELECT r.user_id, r.slot, r.vehicle_id, r.product_id, r.reason_product_id, r.reason_event, t.step,
    t.source, t.edge, t.target
  FROM {live} AS r
  JOIN templates AS t ON t.reason_path = r.reason_path
)
SELECT
  s.user_id,
  s.slot,
  s.product_id,
  s.step,
  CASE s.source WHEN 'via' THEN 'product' WHEN 'other user' THEN 'user' WHEN 'other vehicle' THEN 'vehicle'
    ELSE s.source END AS source_type,
  CASE s.source WHEN 'user' THEN s.user_id WHEN 'vehicle' THEN s.vehicle_id WHEN 'product' THEN s.product_id
    WHEN 'via' THEN s.reason_product_id END AS source_id,
  IF(s.edge = 'event', s.reason_event, s.edge) AS edge,
  CASE s.target WHEN 'via' THEN 'product' WHEN 'other user' THEN 'user' WHEN 'other vehicle' THEN 'vehicle'
    ELSE s.target END AS target_type,
  CASE s.target WHEN 'user' THEN s.user_id WHEN 'vehicle' THEN s.vehicle_id WHEN 'product' THEN s.product_id
    WHEN 'via' THEN s.reason_product_id END AS target_id
FROM steps AS s
