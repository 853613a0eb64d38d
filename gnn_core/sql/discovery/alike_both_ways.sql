-- Pairs that name each other and do not agree. A last digit may differ by rounding.
SELECT
  CONCAT(a.product_id, ' ~ ', a.similar_product_id) AS item,
  CONCAT(a.kind, ' and ', b.kind) AS found
FROM {staging} AS a
JOIN {staging} AS b ON b.product_id = a.similar_product_id AND b.similar_product_id = a.product_id
WHERE a.kind <> b.kind
  OR a.joint_orders <> b.joint_orders
  OR a.people <> b.people
  OR a.same_part_type <> b.same_part_type
  OR ABS(a.similarity - b.similarity) > 0.0001
