-- Rows without a finite final score, or with a part score that is NaN or infinite (a missing part score is allowed).
SELECT
  user_id,
  product_id,
  CONCAT('final ', COALESCE(CAST(final_score AS STRING), 'null')) AS found
FROM {staging}
WHERE
  COALESCE(IS_NAN(final_score) OR IS_INF(final_score), TRUE)
  OR COALESCE(IS_NAN(sql_score) OR IS_INF(sql_score), FALSE)
  OR COALESCE(IS_NAN(gnn_score) OR IS_INF(gnn_score), FALSE)
