-- Helper: one row a user and vehicle slot (v1, v2 …) that holds anything, with what is wrong with it (NULL = valid).
WITH slots AS (
  SELECT
    user_id,
    REGEXP_EXTRACT(property, r'^v(\d+)_') AS slot,
    MAX(IF(ENDS_WITH(property, '_year'), value, NULL)) AS year_text,
    -- "|" separates the parts of a vehicle id, so it cannot stand inside one.
    MAX(IF(ENDS_WITH(property, '_make'), NULLIF(LOWER(TRIM(REGEXP_REPLACE(value, r'[\s|]+', ' '))), ''), NULL)) AS make,
    MAX(IF(ENDS_WITH(property, '_model'), NULLIF(LOWER(TRIM(REGEXP_REPLACE(value, r'[\s|]+', ' '))), ''), NULL)) AS model
  FROM {user_latest}
  WHERE STARTS_WITH(property, 'v')
  GROUP BY 1, 2
),
parsed AS (
  SELECT *, SAFE_CAST(REGEXP_EXTRACT(year_text, r'^(\d\d\d\d)(?:\.0+)?$') AS INT64) AS year
  FROM slots
  WHERE COALESCE(year_text, make, model) IS NOT NULL
)
SELECT
  user_id,
  slot,
  year,
  make,
  model,
  CAST(year AS STRING) || '|' || make || '|' || model AS vehicle_id,
  CASE
    WHEN year IS NULL OR year NOT BETWEEN @min_year AND @max_year THEN 'year is no model year'
    WHEN make IS NULL OR model IS NULL OR make = 'none' OR model = 'none' THEN 'no make or model'
  END AS problem
FROM parsed
