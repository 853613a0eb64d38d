-- Size and origin of a recommendations table.
SELECT
  COUNT(*) AS n_rows,
  COUNT(DISTINCT user_id) AS n_users,
  COUNT(DISTINCT run_id) AS n_runs,
  MIN(run_id) AS first_run
FROM {staging}
