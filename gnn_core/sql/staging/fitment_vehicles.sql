-- Helper: every raw fitment row with its vehicle parsed, its products still an array, and what is wrong with the vehicle.
WITH parsed AS (
  SELECT
    -- The year comes as text or as an integer.
    SAFE_CAST(REGEXP_EXTRACT(TRIM(CAST(v1_year AS STRING)), r'^(\d\d\d\d)(?:\.0+)?$') AS INT64) AS year,
    NULLIF(LOWER(TRIM(REGEXP_REPLACE(v1_make, r'[\s|]+', ' '))), '') AS make,
    NULLIF(LOWER(TRIM(REGEXP_REPLACE(v1_model, r'[\s|]+', ' '))), '') AS model,
    products
  FROM {source_fitment}
)
SELECT
  year,
  make,
  model,
  CAST(year AS STRING) || '|' || make || '|' || model AS vehicle_id,
  products,
  CASE
    WHEN year IS NULL OR year NOT BETWEEN @min_year AND @max_year THEN 'year is no model year'
    WHEN make IS NULL OR model IS NULL OR make = 'none' OR model = 'none' THEN 'no make or model'
  END AS problem
FROM parsed
