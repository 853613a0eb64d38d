"""What every asset shares, said once: owners, retry policy, pools."""

from __future__ import annotations

import dagster as dg

from gnn_core.config import KubernetesSettings

OWNERS = ["team:recommendations"]
WAREHOUSE_POOL = "warehouse"
"""Steps that open the warehouse. DuckDB admits one process at a time, so its limit is 1 (dagster.yaml)."""


def retries(settings: KubernetesSettings) -> dg.RetryPolicy | None:
    """How often a job tries a step again: where steps have pods, since pods are lost; in one process a step that fails
    once fails again."""
    if not settings.steps_in_pods:
        return None
    return dg.RetryPolicy(
        max_retries=settings.step_retries,
        delay=settings.step_retry_delay_s,
        backoff=dg.Backoff.EXPONENTIAL,
        jitter=dg.Jitter.PLUS_MINUS,
    )
