"""What the published table still holds, in a sentence for an alert."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
from dagster import DagsterInstance

from gnn_assets.environment import Environment
from gnn_core.errors import WarehouseError
from gnn_core.publishing.state import read_ledger

PARTITION_TAG = "dagster/partition"
PATIENCE_S = 3.0
"""A sensor has a minute in all; a run may hold the embedded warehouse for longer than that."""


def what_is_published(where: Environment, instance: DagsterInstance) -> str:
    """Run, week, size and time of the last publish, from the ledger; from Dagster's log while a run holds the file."""
    settings = where.settings()
    patient = replace(settings, warehouse=replace(settings.warehouse, busy_retry_s=PATIENCE_S))
    try:
        ledger = read_ledger(where.warehouse(patient), patient)
    except WarehouseError as error:
        return f"{_last_event(instance)} (from Dagster's log: {type(error).__name__})"
    if not ledger:
        return "nothing was ever published"
    last = ledger[-1]
    return (
        f"run {last.run_id[:8]}{_week(instance, last.run_id)}, {last.n_rows:,} rows for {last.n_users:,} users, "
        f"{last.source}, by {last.action} of {last.published_at:%Y-%m-%d %H:%M} UTC"
    )


def _last_event(instance: DagsterInstance) -> str:
    event = instance.get_latest_materialization_event(dg.AssetKey("recommendations"))
    materialization = event.asset_materialization if event else None
    if event is None or materialization is None:
        return "no publish is known"
    values = {name: value.value for name, value in materialization.metadata.items()}
    return (
        f"run {str(values.get('run_id', event.run_id))[:8]}, week of {materialization.partition}, "
        f"{values.get('dagster/row_count', 0):,} rows for {values.get('users', 0):,} users"
    )


def _week(instance: DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    week = run.tags.get(PARTITION_TAG) if run else None
    return f", week of {week}" if week else ""
