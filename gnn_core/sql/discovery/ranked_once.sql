-- Products that stand more than once, places that are missing, and scores that rise along the places.
SELECT s.product_id AS item, CONCAT(CAST(COUNT(*) AS STRING), ' rows') AS found
FROM {staging} AS s
GROUP BY s.product_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'whole table' AS item, CONCAT('places up to ', CAST(MAX(s.rank) AS STRING)) AS found
FROM {staging} AS s
HAVING MIN(s.rank) <> 1 OR MAX(s.rank) <> COUNT(*) OR COUNT(DISTINCT s.rank) <> COUNT(*)
UNION ALL
SELECT b.product_id AS item, 'scores higher than the place before' AS found
FROM {staging} AS a
JOIN {staging} AS b ON b.rank = a.rank + 1
WHERE b.score > a.score OR IS_NAN(b.score)
