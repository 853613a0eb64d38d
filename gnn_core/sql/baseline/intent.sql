-- Intent of a user for a product, from what they did in the window: orders, else carts, else views.
-- v5.17 opens the window when the event stream starts; v5.18, which has no intent, at the cutoff, so that it is empty.
WITH counted AS (
  SELECT
    user_id,
    product_id,
    COUNT(DISTINCT IF(event_type = 'order', COALESCE(order_id, CAST(DATE(event_ts) AS STRING)), NULL)) AS n_orders,
    COUNTIF(event_type = 'cart') AS n_carts,
    COUNTIF(event_type = 'view') AS n_views
  FROM {events}
  WHERE event_ts >= @window_start AND event_ts < @cutoff
  GROUP BY 1, 2
)
SELECT
  user_id,
  product_id,
  CASE
    WHEN n_orders > 0 THEN LN(1 + n_orders) * @order_weight
    WHEN n_carts > 0 THEN LN(1 + n_carts) * @cart_weight
    ELSE LN(1 + n_views) * @view_weight
  END AS intent
FROM counted
