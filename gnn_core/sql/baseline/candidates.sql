-- Candidates of the lists that are ranked from scratch: one list a vehicle of owners without history (their sets are
-- put together from these), and one a user with purchases or intent of their own.
WITH lists AS (
  SELECT DISTINCT 'vehicle:' || vehicle_id AS list_key, vehicle_id, CAST(NULL AS STRING) AS user_id
  FROM {owners}
  WHERE NOT is_personal
  UNION ALL
  SELECT list_key, vehicle_id, user_id
  FROM {owners}
  WHERE is_personal
),
wanted AS (
  SELECT DISTINCT vehicle_id
  FROM lists
),
vehicle_scores AS (
  -- Scores are per segment, fitment is per year.
  SELECT w.vehicle_id, f.product_id, s.score
  FROM wanted AS w
  JOIN {vehicles} AS v ON v.vehicle_id = w.vehicle_id
  JOIN {fitment} AS f ON f.vehicle_id = w.vehicle_id
  JOIN {segment_scores} AS s ON s.segment_id = v.segment_id AND s.product_id = f.product_id
  WHERE s.universal_rank IS NULL
  UNION ALL
  SELECT w.vehicle_id, s.product_id, s.score
  FROM wanted AS w
  JOIN {vehicles} AS v ON v.vehicle_id = w.vehicle_id
  JOIN {segment_scores} AS s ON s.segment_id = v.segment_id
  WHERE s.universal_rank <= @universal_candidates
),
scored AS (
  SELECT
    l.list_key,
    s.product_id,
    l.vehicle_id,
    ROUND(s.score + COALESCE(i.intent, 0), 6) AS score
  FROM lists AS l
  JOIN vehicle_scores AS s ON s.vehicle_id = l.vehicle_id
  JOIN {eligible_products} AS e ON e.product_id = s.product_id
  LEFT JOIN {intent} AS i ON i.user_id = l.user_id AND i.product_id = s.product_id
  LEFT JOIN {purchases} AS b ON b.user_id = l.user_id AND b.base_product_id = e.base_product_id
  WHERE b.user_id IS NULL
)
SELECT list_key, product_id, vehicle_id, score
FROM scored
