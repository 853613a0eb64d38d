"""What every asset shares, said once: owners, retry policy, pools."""

from __future__ import annotations

import dagster as dg

OWNERS = ["team:recommendations"]
WAREHOUSE_POOL = "warehouse"
"""Steps that open the warehouse. DuckDB admits one process at a time, so its limit is 1 (dagster.yaml)."""

RETRY = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For steps that only read and write idempotently; a refusal is no transient fault and is raised as dg.Failure."""
