-- Arm of every user by salted SHA-256: gnn_core/experiment/assignment.py says the same, digit by digit.
-- Shares are limits below 16^15, so that no float is compared.
WITH hashed AS (
  SELECT
    user_id,
    CAST(CONCAT('0x', SUBSTR(TO_HEX(SHA256(CONCAT(@holdout_salt, ':', user_id))), 1, 15)) AS INT64) AS holdout_bucket,
    CAST(CONCAT('0x', SUBSTR(TO_HEX(SHA256(CONCAT(@salt, ':', user_id))), 1, 15)) AS INT64) AS bucket
  FROM {users}
)
SELECT
  user_id,
  CASE
    WHEN holdout_bucket < @holdout_limit THEN 'holdout'
    WHEN bucket < @treatment_limit THEN 'treatment'
    ELSE 'control'
  END AS arm,
  bucket AS bucket
FROM hashed
ORDER BY user_id
