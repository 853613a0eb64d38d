-- Everyone's list: their own, or that of their set of vehicles. Lists with fewer than @min_slots are left out.
WITH complete AS (
  SELECT list_key
  FROM {ranked}
  GROUP BY 1
  HAVING COUNT(*) >= @min_slots
),
people AS (
  SELECT DISTINCT user_id, list_key
  FROM {owners}
)
SELECT p.user_id, r.vehicle_id, r.slot, r.product_id, r.score
FROM people AS p
JOIN complete AS c ON c.list_key = p.list_key
JOIN {ranked} AS r ON r.list_key = p.list_key
