-- The products of each vehicle that some list may show, so that a list is never ranked from all that fits.
--
-- Take a product p of a vehicle, and a list of someone who owns it and bought n base products. Let the products above p
-- on the vehicle be one a base product, those of mixed base products left out. p cannot be shown, unless intent lifts it,
--   (a) when another variant of its base product stands above it;
--   (b) when @max_per_part_type + n products of its part type do: at most n of them are excluded as bought, and the rest
--       take the part type's places;
--   (c) when, with at most @max_per_part_type of a part type counted, @slots + n products do: each exclusion frees at
--       most one place.
-- Other vehicles of the owner and intent only lift what stands above p. It keeps its part type, so it goes on taking the
-- place that it took; variants of a mixed base product may trade places between part types, so none of them is counted,
-- and all of them are on the shortlist. What takes the places in (b) and (c) is on the shortlist itself: it takes them
-- among the candidates as it does among everything that fits.
WITH depth AS (
  SELECT vehicle_id, MAX(n_bought) AS n_bought
  FROM {owners}
  GROUP BY 1
),
offered AS (
  SELECT s.vehicle_id, s.product_id, s.score, e.part_type, e.base_product_id, e.is_mixed_base
  FROM {vehicle_scores} AS s
  JOIN {eligible_products} AS e ON e.product_id = s.product_id
),
best_variant AS (
  SELECT vehicle_id, product_id, score, part_type
  FROM offered
  WHERE NOT is_mixed_base
  QUALIFY ROW_NUMBER() OVER (PARTITION BY vehicle_id, base_product_id ORDER BY score DESC, product_id) = 1
),
in_type AS (
  SELECT
    vehicle_id,
    product_id,
    score,
    ROW_NUMBER() OVER (PARTITION BY vehicle_id, part_type ORDER BY score DESC, product_id) AS type_rank
  FROM best_variant
),
placed AS (
  SELECT
    vehicle_id,
    product_id,
    score,
    type_rank,
    SUM(IF(type_rank <= @max_per_part_type, 1, 0)) OVER (PARTITION BY vehicle_id ORDER BY score DESC, product_id) AS place
  FROM in_type
)
SELECT p.vehicle_id, p.product_id, p.score, p.type_rank, CAST(p.place AS INT64) AS place
FROM placed AS p
JOIN depth AS d ON d.vehicle_id = p.vehicle_id
WHERE p.type_rank <= @max_per_part_type + d.n_bought AND p.place <= @slots + d.n_bought
UNION ALL
SELECT DISTINCT vehicle_id, product_id, score, 0 AS type_rank, 0 AS place
FROM offered
WHERE is_mixed_base
