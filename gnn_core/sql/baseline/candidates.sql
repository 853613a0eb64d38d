-- Candidates of every list, one list a user with purchases or intent of their own and one a set of vehicles: what the
-- shortlists of the vehicles hold at the depth of the list, and what intent may lift from below.
WITH lists AS (
  SELECT DISTINCT list_key, vehicle_id, IF(is_personal, user_id, NULL) AS user_id, n_bought
  FROM {owners}
),
offered AS (
  SELECT l.list_key, l.user_id, l.vehicle_id, s.product_id, s.score
  FROM lists AS l
  JOIN {shortlist} AS s ON s.vehicle_id = l.vehicle_id
  WHERE s.type_rank <= @max_per_part_type + l.n_bought AND s.place <= @slots + l.n_bought
  UNION DISTINCT
  SELECT l.list_key, l.user_id, l.vehicle_id, s.product_id, s.score
  FROM lists AS l
  JOIN {intent} AS i ON i.user_id = l.user_id
  JOIN {vehicle_scores} AS s ON s.vehicle_id = l.vehicle_id AND s.product_id = i.product_id
)
SELECT o.list_key, o.product_id, o.vehicle_id, ROUND(o.score + COALESCE(i.intent, 0), 6) AS score
FROM offered AS o
JOIN {eligible_products} AS e ON e.product_id = o.product_id
LEFT JOIN {intent} AS i ON i.user_id = o.user_id AND i.product_id = o.product_id
LEFT JOIN {purchases} AS b ON b.user_id = o.user_id AND b.base_product_id = e.base_product_id
WHERE b.user_id IS NULL
