-- Policies whose lists stand in a recommendations table.
SELECT source, COUNT(DISTINCT user_id) AS n_users
FROM {table}
GROUP BY source
ORDER BY source
