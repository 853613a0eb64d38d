-- Base products that a user bought in the exclusion window, which ends at the cutoff.
SELECT DISTINCT e.user_id, p.base_product_id
FROM {events} AS e
JOIN {products} AS p ON p.product_id = e.product_id
WHERE e.event_type = 'order'
  AND e.event_ts >= @excluded_from
  AND e.event_ts < @cutoff
