-- Helper: one row a product that an event names, from flat properties (ProductId), from Items_N.* and from SKUs_N.
-- An event whose properties name no product keeps one row with product_id NULL, so that it can be counted; events
-- without any property have none here.
-- No filter stands directly above UNNEST: DuckDB would turn the unnesting into a join, twenty times slower.
WITH named AS (
  SELECT
    user_id,
    LOWER(TRIM(REGEXP_REPLACE(event_name, r'\s+', ' '))) AS event_name,
    client_event_timestamp AS event_ts,
    event_properties
  FROM {source_events}
  WHERE client_event_timestamp < @as_of
),
stream AS (
  SELECT
    user_id,
    event_name,
    event_ts,
    event_properties,
    -- Events have no id. Which of several at one moment gets which number does not matter: it only keeps them apart.
    ROW_NUMBER() OVER (PARTITION BY user_id, event_name, event_ts) AS nth
  FROM named
  WHERE event_name IN UNNEST(@event_names)
),
properties AS (
  SELECT
    s.user_id,
    s.event_name,
    s.event_ts,
    s.nth,
    COALESCE(REGEXP_EXTRACT(LOWER(p.property_name), r'^((?:items|skus)_\d+)'), '') AS item,
    REGEXP_REPLACE(LOWER(p.property_name), r'^items_\d+\.|_\d+$', '') AS field,
    COALESCE(
      NULLIF(REGEXP_REPLACE(p.string_value, r'^\s+|\s+$', ''), ''),
      CAST(p.long_value AS STRING),
      CAST(p.double_value AS STRING)
    ) AS text_value,
    COALESCE(
      p.double_value,
      CAST(p.long_value AS FLOAT64),
      SAFE_CAST(REGEXP_REPLACE(p.string_value, r'[$,\s]', '') AS FLOAT64)
    ) AS number_value
  FROM stream AS s
  CROSS JOIN UNNEST(s.event_properties) AS p
),
items AS (
  SELECT
    user_id,
    event_name,
    event_ts,
    nth,
    item,
    UPPER(MAX(IF(field IN ('productid', 'skus'), text_value, NULL))) AS product_id,
    MAX(IF(field IN ('itemprice', 'price'), number_value, NULL)) AS price,
    MAX(IF(field = 'quantity', number_value, NULL)) AS quantity,
    NULLIF(UPPER(REGEXP_REPLACE(MAX(IF(field = 'orderid', text_value, NULL)), r'^#', '')), '') AS order_id,
    MAX(IF(field = 'imageurl', text_value, NULL)) AS image_url,
    MAX(IF(field = 'producturl', text_value, NULL)) AS product_url
  FROM properties
  GROUP BY user_id, event_name, event_ts, nth, item
),
spread AS (
  SELECT
    user_id,
    event_name,
    event_ts,
    product_id,
    price,
    quantity,
    image_url,
    product_url,
    -- The order's number stands beside the items, and belongs to each of them.
    MAX(order_id) OVER (PARTITION BY user_id, event_name, event_ts, nth) AS order_id,
    MAX(product_id) OVER (PARTITION BY user_id, event_name, event_ts, nth) AS any_product_id,
    item = MIN(item) OVER (PARTITION BY user_id, event_name, event_ts, nth) AS is_first_item
  FROM items
)
SELECT user_id, event_name, event_ts, product_id, price, quantity, order_id, image_url, product_url
FROM spread
WHERE product_id IS NOT NULL OR (any_product_id IS NULL AND is_first_item)
