-- Pairs that stand more than once, and products of which a kind's ranks are not 1 to n.
SELECT
  CONCAT(s.product_id, ' ~ ', s.similar_product_id) AS item,
  CONCAT(CAST(COUNT(*) AS STRING), ' rows') AS found
FROM {staging} AS s
GROUP BY s.product_id, s.similar_product_id
HAVING COUNT(*) > 1
UNION ALL
SELECT
  CONCAT(s.product_id, ', ', s.kind) AS item,
  CONCAT('ranks up to ', CAST(MAX(s.rank) AS STRING), ' in ', CAST(COUNT(*) AS STRING), ' rows') AS found
FROM {staging} AS s
GROUP BY s.product_id, s.kind
HAVING MIN(s.rank) <> 1 OR MAX(s.rank) <> COUNT(*) OR COUNT(DISTINCT s.rank) <> COUNT(*)
