-- Users whose rows disagree on what the wide view shows once a user: tier, pipeline version, moment of scoring.
SELECT
  user_id,
  CAST(NULL AS STRING) AS product_id,
  CONCAT(
    CAST(COUNT(DISTINCT engagement_tier) AS STRING), ' tiers, ',
    CAST(COUNT(DISTINCT pipeline_version) AS STRING), ' versions, ',
    CAST(COUNT(DISTINCT scored_at) AS STRING), ' moments'
  ) AS found
FROM {staging}
GROUP BY user_id
HAVING COUNT(DISTINCT engagement_tier) > 1 OR COUNT(DISTINCT pipeline_version) > 1 OR COUNT(DISTINCT scored_at) > 1
