-- What the vehicles that lists are made for offer, and at which score: scores are per segment, fitment is per year.
WITH wanted AS (
  SELECT DISTINCT vehicle_id
  FROM {owners}
)
SELECT w.vehicle_id, f.product_id, s.score
FROM wanted AS w
JOIN {vehicles} AS v ON v.vehicle_id = w.vehicle_id
JOIN {fitment} AS f ON f.vehicle_id = w.vehicle_id
JOIN {segment_scores} AS s ON s.segment_id = v.segment_id AND s.product_id = f.product_id
WHERE s.universal_rank IS NULL
UNION ALL
SELECT w.vehicle_id, s.product_id, s.score
FROM wanted AS w
JOIN {vehicles} AS v ON v.vehicle_id = w.vehicle_id
JOIN {segment_scores} AS s ON s.segment_id = v.segment_id
WHERE s.universal_rank <= @universal_candidates
