-- Helper: the latest value of each attribute of a user, as text, whichever of the three value columns holds it.
-- Latest means the newest row that names the property, even where its value is empty: an emptied attribute is gone.
-- No filter stands directly above UNNEST: DuckDB would turn the unnesting into a join, twenty times slower.
WITH attribute_rows AS (
  SELECT user_id, update_timestamp, user_properties
  FROM {source_user_attributes}
  WHERE update_timestamp < @as_of AND TRIM(user_id) <> ''
),
properties AS (
  SELECT
    a.user_id,
    a.update_timestamp,
    LOWER(TRIM(p.property_name)) AS property,
    COALESCE(
      NULLIF(TRIM(REGEXP_REPLACE(p.string_value, r'\s+', ' ')), ''),
      CAST(p.long_value AS STRING),
      CAST(p.double_value AS STRING)
    ) AS value,
    REGEXP_CONTAINS(
      LOWER(TRIM(p.property_name)),
      r'^(email|email_consent|v[1-9]\d?_(year|make|model))$'
    ) AS is_read
  FROM attribute_rows AS a
  CROSS JOIN UNNEST(a.user_properties) AS p
)
SELECT user_id, property, value, update_timestamp
FROM properties
WHERE TRUE
QUALIFY is_read AND ROW_NUMBER() OVER (PARTITION BY user_id, property ORDER BY update_timestamp DESC, value DESC) = 1
