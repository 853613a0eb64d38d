-- Rows whose base product the user ordered in [since, until).
WITH bought AS (
  SELECT DISTINCT e.user_id, p.base_product_id
  FROM {events} AS e
  JOIN {products} AS p ON p.product_id = e.product_id
  WHERE e.event_type = 'order' AND e.event_ts >= @since AND e.event_ts < @until
)
SELECT
  s.user_id,
  s.product_id,
  CONCAT('bought ', p.base_product_id) AS found
FROM {staging} AS s
JOIN {products} AS p ON p.product_id = s.product_id
JOIN bought AS b ON b.user_id = s.user_id AND b.base_product_id = p.base_product_id
