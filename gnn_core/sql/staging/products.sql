-- Contract table products: the catalogue, with price, image and page as events showed them last.
WITH catalogue AS (
  SELECT
    NULLIF(UPPER(REGEXP_REPLACE(PartNumber, r'^\s+|\s+$', '')), '') AS product_id,
    NULLIF(TRIM(REGEXP_REPLACE(PartType, r'\s+', ' ')), '') AS part_type,
    COALESCE(REGEXP_CONTAINS(LOWER(Tags), r'refurbished'), FALSE) AS is_refurbished
  FROM {source_catalogue}
),
parts AS (
  SELECT
    product_id,
    -- Of several rows of one part number: a known part type before none, and refurbished if any row says so.
    COALESCE(MIN(IF(LOWER(part_type) = 'unknown', NULL, part_type)), 'UNKNOWN') AS part_type,
    MAX(IF(is_refurbished, 1, 0)) = 1 AS is_refurbished,
    COUNT(*) AS n_rows
  FROM catalogue
  GROUP BY 1
),
fitted AS (
  -- Any mention counts, valid vehicle or not: a part made for some vehicle is not universal because its row is bad.
  SELECT DISTINCT UPPER(REGEXP_REPLACE(p.product_number, r'^\s+|\s+$', '')) AS product_id
  FROM {source_fitment} AS f
  CROSS JOIN UNNEST(f.products) AS p
),
seen AS (
  SELECT
    product_id,
    event_ts,
    price,
    -- The upper bound keeps NaN and infinity out on both engines.
    price > 0 AND price < 1e9 AS price_is_usable,
    CASE
      WHEN STARTS_WITH(image_url, '//') THEN 'https:' || image_url
      WHEN STARTS_WITH(LOWER(image_url), 'http://') THEN 'https://' || SUBSTR(image_url, 8)
      WHEN STARTS_WITH(LOWER(image_url), 'https://') THEN 'https://' || SUBSTR(image_url, 9)
    END AS image_url,
    image_url IS NOT NULL AS has_image_url,
    CASE
      WHEN STARTS_WITH(product_url, '//') THEN 'https:' || product_url
      WHEN STARTS_WITH(LOWER(product_url), 'http://') THEN 'https://' || SUBSTR(product_url, 8)
      WHEN STARTS_WITH(LOWER(product_url), 'https://') THEN 'https://' || SUBSTR(product_url, 9)
    END AS product_url
  FROM {event_items}
  WHERE product_id IS NOT NULL
),
prices AS (
  SELECT product_id, price
  FROM seen
  WHERE price_is_usable
  QUALIFY ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY event_ts DESC, price DESC) = 1
),
images AS (
  SELECT product_id, image_url
  FROM seen
  WHERE image_url IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY event_ts DESC, image_url) = 1
),
pages AS (
  SELECT product_id, product_url
  FROM seen
  WHERE product_url IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY event_ts DESC, product_url) = 1
)
SELECT
  c.product_id,
  IF(c.part_type = 'UNKNOWN', c.product_id, c.part_type || ' ' || c.product_id) AS name,
  c.part_type,
  prices.price,
  fitted.product_id IS NULL AS is_universal,
  c.is_refurbished,
  images.image_url,
  pages.product_url,
  -- Always stripped, whether or not the plain SKU is sold itself: 1234B and 1234R are colours of one product either way.
  REGEXP_REPLACE(c.product_id, @variant_pattern, r'\1') AS base_product_id,
  IF(c.product_id IS NULL, 'blank part number', NULL) AS drop_reason,
  IF(c.product_id IS NULL, c.n_rows, 1) AS n_rows
FROM parts AS c
LEFT JOIN prices ON prices.product_id = c.product_id
LEFT JOIN images ON images.product_id = c.product_id
LEFT JOIN pages ON pages.product_id = c.product_id
LEFT JOIN fitted ON fitted.product_id = c.product_id
UNION ALL
SELECT
  CAST(NULL AS STRING),
  CAST(NULL AS STRING),
  CAST(NULL AS STRING),
  CAST(NULL AS FLOAT64),
  CAST(NULL AS BOOL),
  CAST(NULL AS BOOL),
  CAST(NULL AS STRING),
  CAST(NULL AS STRING),
  CAST(NULL AS STRING),
  counted.drop_reason,
  SUM(counted.n_rows)
FROM (
  SELECT 'repeated part number' AS drop_reason, n_rows - 1 AS n_rows FROM parts WHERE product_id IS NOT NULL
  UNION ALL
  SELECT 'event price not positive, ignored', 1 FROM seen WHERE price IS NOT NULL AND NOT price_is_usable
  UNION ALL
  SELECT 'image address not http, ignored', 1 FROM seen WHERE has_image_url AND image_url IS NULL
) AS counted
GROUP BY counted.drop_reason
HAVING SUM(counted.n_rows) > 0
