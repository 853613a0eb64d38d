-- Rows that lack a required value. Column modes are not enforced by every engine, so nulls are looked for.
SELECT
  user_id,
  product_id,
  CONCAT('null or empty in slot ', COALESCE(CAST(slot AS STRING), 'null')) AS found
FROM {staging}
WHERE
  COALESCE(run_id, '') = ''
  OR COALESCE(user_id, '') = ''
  OR COALESCE(vehicle_id, '') = ''
  OR slot IS NULL
  OR COALESCE(product_id, '') = ''
  OR final_score IS NULL
  OR COALESCE(source, '') = ''
  OR COALESCE(reason, '') = ''
  OR COALESCE(reason_path, '') = ''
  OR price IS NULL
  OR COALESCE(part_type, '') = ''
  OR COALESCE(image_url, '') = ''
  OR COALESCE(fitment_proof, '') = ''
  OR COALESCE(engagement_tier, '') = ''
  OR COALESCE(pipeline_version, '') = ''
  OR scored_at IS NULL
