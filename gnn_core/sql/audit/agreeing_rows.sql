-- Users whose rows disagree on what the wide view shows once a user: tier, arm, pipeline version, moment of scoring.
SELECT
  user_id,
  CAST(NULL AS STRING) AS product_id,
  CONCAT(
    CAST(COUNT(DISTINCT engagement_tier) AS STRING), ' tiers, ',
    CAST(COUNT(DISTINCT COALESCE(arm, '')) AS STRING), ' arms, ',
    CAST(COUNT(DISTINCT pipeline_version) AS STRING), ' versions, ',
    CAST(COUNT(DISTINCT scored_at) AS STRING), ' moments'
  ) AS found
FROM {staging}
GROUP BY user_id
HAVING
  COUNT(DISTINCT engagement_tier) > 1
  OR COUNT(DISTINCT COALESCE(arm, '')) > 1  -- no arm in one row and an arm in another are two
  OR COUNT(DISTINCT pipeline_version) > 1
  OR COUNT(DISTINCT scored_at) > 1
