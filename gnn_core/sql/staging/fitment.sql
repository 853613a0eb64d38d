-- Contract table fitment: each product and year/make/model once.
WITH pairs AS (
  SELECT
    v.vehicle_id,
    v.problem,
    NULLIF(UPPER(REGEXP_REPLACE(p.product_number, r'^\s+|\s+$', '')), '') AS product_id,
    COUNT(*) AS n_rows
  FROM {fitment_vehicles} AS v
  CROSS JOIN UNNEST(v.products) AS p
  GROUP BY 1, 2, 3
),
judged AS (
  SELECT
    f.product_id,
    f.vehicle_id,
    CASE
      WHEN f.problem IS NOT NULL THEN f.problem
      WHEN f.product_id IS NULL THEN 'no product number'
      WHEN c.product_id IS NULL THEN 'product not in the catalogue'
    END AS drop_reason,
    f.n_rows
  FROM pairs AS f
  LEFT JOIN {products} AS c ON c.product_id = f.product_id
)
SELECT product_id, vehicle_id, drop_reason, n_rows
FROM judged
UNION ALL
SELECT product_id, vehicle_id, 'repeated pair', n_rows - 1
FROM judged
WHERE drop_reason IS NULL AND n_rows > 1
