-- Rows below the price floor. A missing, NaN or infinite price is below it too: engines disagree on NaN >= 50.
SELECT
  user_id,
  product_id,
  CONCAT(COALESCE(CAST(price AS STRING), 'null'), ' USD') AS found
FROM {staging}
WHERE NOT COALESCE(price >= @min_price AND NOT IS_NAN(price) AND NOT IS_INF(price), FALSE)
