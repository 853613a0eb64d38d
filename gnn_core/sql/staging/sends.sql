-- Contract table sends: one row a tracking id. The run whose list was sent is not in the retailer's table.
WITH judged AS (
  SELECT
    NULLIF(TRIM(treatment_tracking_id), '') AS tracking_id,
    NULLIF(TRIM(user_id), '') AS user_id,
    NULLIF(TRIM(arm_id), '') AS arm,
    treatment_sent_timestamp AS sent_ts,
    CASE
      WHEN treatment_sent_timestamp IS NULL THEN 'no timestamp'
      WHEN treatment_sent_timestamp >= @as_of THEN 'at or after the as-of date'
      WHEN NULLIF(TRIM(treatment_tracking_id), '') IS NULL THEN 'no tracking id'
      WHEN NULLIF(TRIM(user_id), '') IS NULL THEN 'no user'
      WHEN NULLIF(TRIM(arm_id), '') IS NULL THEN 'no arm'
    END AS drop_reason
  FROM {source_sends}
),
numbered AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY tracking_id, drop_reason ORDER BY sent_ts, user_id, arm) AS nth
  FROM judged
)
SELECT
  tracking_id,
  user_id,
  arm,
  sent_ts,
  CAST(NULL AS STRING) AS run_id,
  IF(drop_reason IS NULL AND nth > 1, 'repeated tracking id', drop_reason) AS drop_reason,
  1 AS n_rows
FROM numbered
