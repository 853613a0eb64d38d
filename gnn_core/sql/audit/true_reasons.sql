-- Rows whose reason tells a path of which an edge does not exist in the week's tables, or whose columns contradict it.
-- Fitment and ownership edges are the rules fitment and owned_vehicle. Other people are counted without the user.
WITH told AS (
  SELECT
    s.user_id,
    s.product_id,
    s.vehicle_id,
    v.segment_id,
    COALESCE(s.reason_path, 'null') AS reason_path,
    s.reason_event,
    s.reason_product_id
  FROM {staging} AS s
  LEFT JOIN {vehicles} AS v ON v.vehicle_id = s.vehicle_id
),
did AS (
  SELECT DISTINCT e.user_id, e.product_id, e.event_type FROM {events} AS e WHERE e.event_ts < @until
),
touched AS (
  SELECT DISTINCT d.user_id, d.product_id FROM did AS d
),
pairs AS (
  SELECT DISTINCT t.reason_product_id AS via, t.product_id
  FROM told AS t
  WHERE t.reason_path IN ('bought_together', 'taken_together')
),
joint AS (
  SELECT p.via, p.product_id, COUNT(DISTINCT a.order_id) AS n_orders
  FROM pairs AS p
  JOIN {events} AS a ON a.product_id = p.via AND a.event_type = 'order' AND a.event_ts < @until
  JOIN {events} AS b ON b.product_id = p.product_id AND b.order_id = a.order_id AND b.event_type = 'order'
    AND b.event_ts < @until
  GROUP BY p.via, p.product_id
),
with_both AS (
  SELECT p.via, p.product_id, a.user_id
  FROM pairs AS p
  JOIN touched AS a ON a.product_id = p.via
  JOIN touched AS b ON b.product_id = p.product_id AND b.user_id = a.user_id
),
-- From the people's side, since events are few and rows are millions: who has it, what they own, and whether it fits.
fans AS (
  SELECT DISTINCT c.user_id, c.product_id, w.segment_id, f.product_id IS NOT NULL AS fits
  FROM touched AS c
  JOIN {ownership} AS o ON o.user_id = c.user_id
  JOIN {vehicles} AS w ON w.vehicle_id = o.vehicle_id
  LEFT JOIN {fitment} AS f ON f.vehicle_id = o.vehicle_id AND f.product_id = c.product_id
),
by_model AS (
  SELECT
    segment_id,
    product_id,
    COUNT(DISTINCT user_id) AS n_owners,
    COUNT(DISTINCT IF(fits, user_id, NULL)) AS n_fitting
  FROM fans
  GROUP BY segment_id, product_id
),
by_product AS (
  SELECT product_id, COUNT(DISTINCT user_id) AS n_fitting FROM fans WHERE fits GROUP BY product_id
),
people_with_both AS (
  SELECT via, product_id, COUNT(*) AS n_people FROM with_both GROUP BY via, product_id
)
SELECT
  t.user_id,
  t.product_id,
  CONCAT('reason ', t.reason_path, ': ', 'not one of the paths, or its event or product does not go with it') AS found
FROM told AS t
WHERE t.reason_path NOT IN UNNEST(@paths)
  OR (t.reason_event IS NULL) = (t.reason_path IN UNNEST(@event_paths))
  OR (t.reason_product_id IS NULL) = (t.reason_path IN UNNEST(@via_paths))
UNION ALL
SELECT
  t.user_id,
  t.product_id,
  CONCAT('reason ', t.reason_path, ': no such event with ', COALESCE(t.reason_product_id, t.product_id)) AS found
FROM told AS t
LEFT JOIN did AS d ON d.user_id = t.user_id AND d.event_type = t.reason_event
  AND d.product_id = COALESCE(t.reason_product_id, t.product_id)
WHERE t.reason_path IN UNNEST(@event_paths) AND d.user_id IS NULL
UNION ALL
SELECT
  t.user_id,
  t.product_id,
  CONCAT('reason bought_together: too few joint orders with ', COALESCE(t.reason_product_id, 'null')) AS found
FROM told AS t
LEFT JOIN joint AS j ON j.via = t.reason_product_id AND j.product_id = t.product_id
WHERE t.reason_path = 'bought_together'
  AND (COALESCE(j.n_orders, 0) < @min_orders OR t.reason_product_id = t.product_id)
UNION ALL
SELECT
  t.user_id,
  t.product_id,
  CONCAT('reason taken_together: too few other people with ', COALESCE(t.reason_product_id, 'null')) AS found
FROM told AS t
LEFT JOIN people_with_both AS n ON n.via = t.reason_product_id AND n.product_id = t.product_id
LEFT JOIN touched AS me ON me.user_id = t.user_id AND me.product_id = t.product_id
WHERE t.reason_path = 'taken_together'
  AND (
    COALESCE(n.n_people, 0) - IF(me.user_id IS NULL, 0, 1) < @min_people
    OR t.reason_product_id = t.product_id
  )
UNION ALL
SELECT
  t.user_id,
  t.product_id,
  'reason owners: too few other people' AS found
FROM told AS t
LEFT JOIN by_model AS m ON m.segment_id = t.segment_id AND m.product_id = t.product_id
LEFT JOIN touched AS me ON me.user_id = t.user_id AND me.product_id = t.product_id
WHERE t.reason_path = 'owners'
  AND COALESCE(m.n_owners, 0) - IF(me.user_id IS NULL, 0, 1) < @min_people
UNION ALL
-- Who owns this make and model too is left out, and with them the user.
SELECT
  t.user_id,
  t.product_id,
  'reason other_owners: too few other people' AS found
FROM told AS t
LEFT JOIN by_product AS p ON p.product_id = t.product_id
LEFT JOIN by_model AS m ON m.segment_id = t.segment_id AND m.product_id = t.product_id
WHERE t.reason_path = 'other_owners'
  AND COALESCE(p.n_fitting, 0) - COALESCE(m.n_fitting, 0) < @min_people
