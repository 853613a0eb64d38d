-- Contract table events: the event stream and, before its first day, the order history; every order counted once.
WITH emails AS (
  -- An address that several users share stands for the first of them, so that no order is counted for two.
  SELECT LOWER(l.value) AS email, MIN(u.user_id) AS user_id
  FROM {user_latest} AS l
  JOIN {users} AS u ON u.user_id = l.user_id
  WHERE l.property = 'email' AND l.value IS NOT NULL
  GROUP BY 1
),
history AS (
  SELECT
    NULLIF(UPPER(REGEXP_REPLACE(ITEM, r'^\s+|\s+$', '')), '') AS product_id,
    LOWER(TRIM(REGEXP_REPLACE(SHIP_TO_EMAIL, r'\s+', ' '))) AS email,
    -- "Friday, January 10, 2025"
    SAFE_CAST(
      REGEXP_EXTRACT(ORDER_DATE, r'(\d\d\d\d)\s*$')
      || '-'
      || CASE LOWER(REGEXP_EXTRACT(ORDER_DATE, r'([A-Za-z][A-Za-z][A-Za-z])[A-Za-z]*\.? +\d+, *\d\d\d\d\s*$'))
        WHEN 'jan' THEN '01' WHEN 'feb' THEN '02' WHEN 'mar' THEN '03' WHEN 'apr' THEN '04'
        WHEN 'may' THEN '05' WHEN 'jun' THEN '06' WHEN 'jul' THEN '07' WHEN 'aug' THEN '08'
        WHEN 'sep' THEN '09' WHEN 'oct' THEN '10' WHEN 'nov' THEN '11' WHEN 'dec' THEN '12'
      END
      || '-'
      || LPAD(REGEXP_EXTRACT(ORDER_DATE, r'(\d+), *\d\d\d\d\s*$'), 2, '0')
    AS DATE) AS order_date
  FROM {source_orders}
),
reported AS (
  SELECT
    i.user_id,
    i.product_id,
    CASE i.event_name
      WHEN 'viewed product' THEN 'view'
      WHEN 'cart update' THEN 'cart'
      ELSE 'order'
    END AS event_type,
    i.event_ts,
    i.order_id,
    i.quantity,
    i.price,
    CASE
      WHEN i.product_id IS NULL THEN 'event: no product named'
      WHEN i.event_name NOT IN ('viewed product', 'cart update') AND i.event_ts < @stream_start
        THEN 'event: order before the event stream starts'
      WHEN i.quantity <= 0 THEN 'event: quantity not positive'
    END AS problem,
    'event: ' AS origin
  FROM {event_items} AS i
  UNION ALL
  SELECT
    e.user_id,
    h.product_id,
    'order',
    TIMESTAMP(h.order_date, 'UTC'),
    CAST(NULL AS STRING),
    CAST(NULL AS FLOAT64),
    CAST(NULL AS FLOAT64),
    CASE
      WHEN h.order_date IS NULL THEN 'order history: date not understood'
      WHEN TIMESTAMP(h.order_date, 'UTC') >= @stream_start THEN 'order history: on or after the event stream starts'
      WHEN TIMESTAMP(h.order_date, 'UTC') >= @as_of THEN 'order history: at or after the as-of date'
      WHEN h.product_id IS NULL THEN 'order history: no product named'
    END,
    'order history: '
  FROM history AS h
  LEFT JOIN emails AS e ON e.email = h.email
),
judged AS (
  SELECT
    r.* EXCEPT (problem, origin),
    CASE
      WHEN r.problem IS NOT NULL THEN r.problem
      WHEN u.user_id IS NULL THEN r.origin || 'unknown user'
      WHEN p.product_id IS NULL THEN r.origin || 'unknown product'
    END AS drop_reason
  FROM reported AS r
  LEFT JOIN {users} AS u ON u.user_id = r.user_id
  LEFT JOIN {products} AS p ON p.product_id = r.product_id
),
keyed AS (
  SELECT
    user_id,
    product_id,
    event_type,
    event_ts,
    -- A report without a number belongs to some order of the day, but not certainly to this one: it sets no time.
    IF(order_id IS NULL, NULL, event_ts) AS numbered_ts,
    quantity,
    IF(price > 0 AND price < 1e9, price, NULL) AS price,
    -- An order's own number; else the number under which the same user ordered the same product that day; else the day.
    IF(
      event_type = 'order',
      COALESCE(
        order_id,
        MIN(order_id) OVER (PARTITION BY user_id, product_id, event_type, DATE(event_ts)),
        'day ' || CAST(DATE(event_ts) AS STRING) || ' user ' || user_id
      ),
      NULL
    ) AS order_id
  FROM judged
  WHERE drop_reason IS NULL
),
merged AS (
  SELECT
    user_id,
    product_id,
    event_type,
    COALESCE(MIN(numbered_ts), MIN(event_ts)) AS event_ts,
    order_id,
    COALESCE(MAX(SAFE_CAST(CEIL(quantity) AS INT64)), 1) AS quantity,
    MAX(price) AS price,
    COUNT(*) AS n_rows
  FROM keyed
  GROUP BY user_id, product_id, event_type, order_id, IF(event_type = 'order', NULL, event_ts)
)
SELECT user_id, product_id, event_type, event_ts, order_id, quantity, price, CAST(NULL AS STRING) AS drop_reason, 1 AS n_rows
FROM merged
UNION ALL
SELECT
  CAST(NULL AS STRING),
  CAST(NULL AS STRING),
  CAST(NULL AS STRING),
  CAST(NULL AS TIMESTAMP),
  CAST(NULL AS STRING),
  CAST(NULL AS INT64),
  CAST(NULL AS FLOAT64),
  counted.drop_reason,
  SUM(counted.n_rows)
FROM (
  SELECT drop_reason, 1 AS n_rows FROM judged WHERE drop_reason IS NOT NULL
  UNION ALL
  SELECT IF(event_type = 'order', 'order reported more than once', 'repeated event'), n_rows - 1
  FROM merged
  WHERE n_rows > 1
  UNION ALL
  SELECT
    CASE
      WHEN client_event_timestamp IS NULL THEN 'event: no timestamp'
      WHEN client_event_timestamp >= @as_of THEN 'event: at or after the as-of date'
      WHEN event_name IS NULL OR LOWER(TRIM(REGEXP_REPLACE(event_name, r'\s+', ' '))) NOT IN UNNEST(@event_names)
        THEN 'event: name not used'
      ELSE 'event: no product named'
    END,
    1
  FROM {source_events}
  WHERE client_event_timestamp IS NULL
    OR client_event_timestamp >= @as_of
    OR event_name IS NULL
    OR LOWER(TRIM(REGEXP_REPLACE(event_name, r'\s+', ' '))) NOT IN UNNEST(@event_names)
    OR COALESCE(ARRAY_LENGTH(event_properties), 0) = 0
) AS counted
GROUP BY counted.drop_reason
