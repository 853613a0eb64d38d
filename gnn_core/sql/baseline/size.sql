-- How much of the store the warehouse sees before the cutoff.
SELECT
  (SELECT COUNT(*) FROM {users}) AS users,
  (SELECT COUNT(*) FROM {products}) AS products,
  (SELECT COUNT(*) FROM {events} WHERE event_ts < @cutoff) AS events
