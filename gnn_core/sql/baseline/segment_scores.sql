-- Popularity of every eligible product in every segment (make/model) that it fits in some year, from orders before the
-- cutoff. The tier is chosen per product: the segment's own orders, else the make's, else all.
-- For v5.17 (@universal_top_n > 0) the most popular universal products are scored in every segment too.
WITH orders AS (
  -- One row a user, order and product. An order without a number is the user's orders of that day.
  SELECT DISTINCT user_id, product_id, COALESCE(order_id, CAST(DATE(event_ts) AS STRING)) AS order_id
  FROM {events}
  WHERE event_type = 'order' AND event_ts < @cutoff
),
user_orders AS (
  SELECT user_id, product_id, COUNT(*) AS n_orders
  FROM orders
  GROUP BY 1, 2
),
user_segments AS (
  SELECT DISTINCT o.user_id, v.segment_id
  FROM {ownership} AS o
  JOIN {vehicles} AS v ON v.vehicle_id = o.vehicle_id
),
user_makes AS (
  SELECT DISTINCT o.user_id, v.make
  FROM {ownership} AS o
  JOIN {vehicles} AS v ON v.vehicle_id = o.vehicle_id
),
in_segment AS (
  SELECT s.segment_id, o.product_id, SUM(o.n_orders) AS n_orders
  FROM user_orders AS o
  JOIN user_segments AS s ON s.user_id = o.user_id
  GROUP BY 1, 2
),
segment_totals AS (
  SELECT segment_id, SUM(n_orders) AS n_orders
  FROM in_segment
  GROUP BY 1
),
in_make AS (
  SELECT m.make, o.product_id, SUM(o.n_orders) AS n_orders
  FROM user_orders AS o
  JOIN user_makes AS m ON m.user_id = o.user_id
  GROUP BY 1, 2
),
make_totals AS (
  SELECT make, SUM(n_orders) AS n_orders
  FROM in_make
  GROUP BY 1
),
anywhere AS (
  SELECT product_id, SUM(n_orders) AS n_orders
  FROM user_orders
  GROUP BY 1
),
segments AS (
  SELECT DISTINCT segment_id, make
  FROM {vehicles}
),
universals AS (
  SELECT
    e.product_id,
    ROW_NUMBER() OVER (ORDER BY COALESCE(a.n_orders, 0) DESC, e.product_id) AS universal_rank
  FROM {eligible_products} AS e
  LEFT JOIN anywhere AS a ON a.product_id = e.product_id
  WHERE e.eligible AND e.is_universal
),
fitting AS (
  SELECT DISTINCT v.segment_id, f.product_id
  FROM {fitment} AS f
  JOIN {vehicles} AS v ON v.vehicle_id = f.vehicle_id
),
pairs AS (
  SELECT f.segment_id, f.product_id, CAST(NULL AS INT64) AS universal_rank
  FROM fitting AS f
  JOIN {eligible_products} AS e ON e.product_id = f.product_id
  WHERE e.eligible
  UNION ALL
  SELECT s.segment_id, u.product_id, u.universal_rank
  FROM segments AS s
  CROSS JOIN universals AS u
  WHERE u.universal_rank <= @universal_top_n
),
counted AS (
  SELECT
    p.segment_id,
    p.product_id,
    p.universal_rank,
    COALESCE(seg.n_orders, 0) AS segment_orders,
    COALESCE(mk.n_orders, 0) AS make_orders,
    COALESCE(a.n_orders, 0) AS global_orders,
    CASE
      WHEN st.n_orders >= @segment_min_orders AND seg.n_orders >= @segment_min_product_orders THEN 'segment'
      WHEN mt.n_orders >= @make_min_orders AND mk.n_orders >= @make_min_product_orders THEN 'make'
      ELSE 'global'
    END AS tier
  FROM pairs AS p
  JOIN segments AS s ON s.segment_id = p.segment_id
  LEFT JOIN in_segment AS seg ON seg.segment_id = p.segment_id AND seg.product_id = p.product_id
  LEFT JOIN segment_totals AS st ON st.segment_id = p.segment_id
  LEFT JOIN in_make AS mk ON mk.make = s.make AND mk.product_id = p.product_id
  LEFT JOIN make_totals AS mt ON mt.make = s.make
  LEFT JOIN anywhere AS a ON a.product_id = p.product_id
)
SELECT
  segment_id,
  product_id,
  tier,
  -- 10 ln 2 and 2 ln 32 are a tie, and only equal after rounding; so it is the same tie on every engine.
  ROUND(
    CASE tier
      WHEN 'segment' THEN LN(1 + segment_orders) * @segment_weight
      WHEN 'make' THEN LN(1 + make_orders) * @make_weight
      ELSE LN(1 + global_orders) * @global_weight
    END,
    6
  ) AS score,
  universal_rank
FROM counted
