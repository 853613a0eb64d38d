-- Rows whose arm is not the one that their user's hash gives, and rows of control or holdout from another policy than
-- SQL. While an experiment runs everyone has an arm; otherwise only the holdout has one. What is no arm at all is
-- left to known_arms while nothing runs.
SELECT
  s.user_id,
  s.product_id,
  CONCAT(COALESCE(s.arm, 'no arm'), ' from ', COALESCE(s.source, 'null'), ', assigned ', a.arm) AS found
FROM {staging} AS s
JOIN {assigned} AS a ON a.user_id = s.user_id
WHERE
  (@runs OR a.arm = 'holdout') AND COALESCE(s.arm, '') != a.arm
  OR NOT @runs AND a.arm != 'holdout' AND COALESCE(s.arm IN ('control', 'treatment', 'holdout'), FALSE)
  OR (a.arm = 'holdout' OR @runs AND a.arm = 'control') AND NOT COALESCE(STARTS_WITH(s.source, 'sql_'), FALSE)
