-- Contract table users: who has at least one valid vehicle.
WITH attributes AS (
  SELECT
    IF(TRIM(user_id) = '', NULL, user_id) AS user_id,
    MIN(update_timestamp) AS registered_at,
    COUNT(*) AS n_rows
  FROM {source_user_attributes}
  WHERE update_timestamp < @as_of
  GROUP BY 1
),
consent AS (
  SELECT user_id, LOWER(value) IN ('true', '1') AS email_consent
  FROM {user_latest}
  WHERE property = 'email_consent'
),
owners AS (
  SELECT DISTINCT user_id
  FROM {user_vehicles}
  WHERE problem IS NULL
)
SELECT
  a.user_id,
  -- No word on consent is no consent.
  COALESCE(c.email_consent, FALSE) AS email_consent,
  a.registered_at,
  CASE
    WHEN a.user_id IS NULL THEN 'attribute row without user_id'
    WHEN o.user_id IS NULL THEN 'user without a valid vehicle'
  END AS drop_reason,
  IF(a.user_id IS NULL, a.n_rows, 1) AS n_rows
FROM attributes AS a
LEFT JOIN consent AS c ON c.user_id = a.user_id
LEFT JOIN owners AS o ON o.user_id = a.user_id
UNION ALL
SELECT
  CAST(NULL AS STRING),
  CAST(NULL AS BOOL),
  CAST(NULL AS TIMESTAMP),
  IF(update_timestamp IS NULL, 'attribute row without a timestamp', 'attribute row at or after the as-of date'),
  COUNT(*)
FROM {source_user_attributes}
WHERE update_timestamp IS NULL OR update_timestamp >= @as_of
GROUP BY 4
