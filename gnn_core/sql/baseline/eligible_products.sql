-- Every product with the first eligibility rule that it fails (NULL = eligible).
-- The same rules, in the same order and words, as gnn_core/scoring/eligibility.py; a test holds the two together.
WITH judged AS (
  SELECT
    product_id,
    part_type,
    base_product_id,
    is_universal,
    CASE
      WHEN price IS NULL OR IS_NAN(price) OR IS_INF(price) THEN 'no price'
      WHEN price < @min_price THEN 'price below the floor'
      WHEN is_refurbished THEN 'refurbished'
      WHEN REGEXP_CONTAINS(UPPER(product_id), @service_pattern) THEN 'service SKU'
      WHEN REGEXP_CONTAINS(LOWER(TRIM(part_type)), @commodity_pattern)
        AND LOWER(TRIM(part_type)) NOT IN UNNEST(@commodity_exceptions) THEN 'commodity part type'
      WHEN LOWER(TRIM(part_type)) = 'unknown' AND price < @unknown_min_price
        THEN 'unknown part type below its price floor'
      WHEN image_url IS NULL OR NOT STARTS_WITH(image_url, 'https://') THEN 'no https image'
    END AS reason
  FROM {products}
)
SELECT
  product_id,
  part_type,
  base_product_id,
  is_universal,
  reason IS NULL AS eligible,
  reason,
  -- Its eligible variants differ in part type (dirty data): see shortlist.sql.
  COALESCE(
    MIN(IF(reason IS NULL, part_type, NULL)) OVER (PARTITION BY base_product_id)
    <> MAX(IF(reason IS NULL, part_type, NULL)) OVER (PARTITION BY base_product_id),
    FALSE
  ) AS is_mixed_base
FROM judged
