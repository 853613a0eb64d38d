-- Contract table vehicles: every valid year/make/model that a user owns or a fitment row mentions.
WITH mentions AS (
  SELECT year, make, model, vehicle_id, 'user vehicle: ' || problem AS drop_reason
  FROM {user_vehicles}
  UNION ALL
  SELECT year, make, model, vehicle_id, 'fitment row: ' || problem
  FROM {fitment_vehicles}
)
SELECT
  vehicle_id,
  year,
  make,
  model,
  make || '|' || model AS segment_id,
  drop_reason,
  COUNT(*) AS n_rows
FROM mentions
GROUP BY 1, 2, 3, 4, 5, 6
