-- Contract table engagements: opens and clicks as they arrived; only exact repetitions are taken out.
WITH judged AS (
  SELECT
    s.tracking_id,
    CASE UPPER(TRIM(e.interaction_type)) WHEN 'VIEWED' THEN 'open' WHEN 'CLICKED' THEN 'click' END AS kind,
    e.interaction_timestamp AS engaged_ts,
    CASE
      WHEN e.interaction_timestamp IS NULL THEN 'no timestamp'
      WHEN e.interaction_timestamp >= @as_of THEN 'at or after the as-of date'
      WHEN UPPER(TRIM(e.interaction_type)) NOT IN ('VIEWED', 'CLICKED') OR e.interaction_type IS NULL
        THEN 'interaction type not used'
      WHEN s.tracking_id IS NULL THEN 'unknown tracking id'
    END AS drop_reason
  FROM {source_engagements} AS e
  LEFT JOIN {sends} AS s ON s.tracking_id = TRIM(e.treatment_tracking_id)
),
counted AS (
  SELECT tracking_id, kind, engaged_ts, drop_reason, COUNT(*) AS n_rows
  FROM judged
  GROUP BY 1, 2, 3, 4
)
SELECT tracking_id, kind, engaged_ts, drop_reason, n_rows
FROM counted
UNION ALL
SELECT tracking_id, kind, engaged_ts, 'repeated row', n_rows - 1
FROM counted
WHERE drop_reason IS NULL AND n_rows > 1
