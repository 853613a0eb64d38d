"""cost_ledger: what the platform's runs cost, by asset and month, against the month's budget."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from gnn_assets import metadata
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import RUN_LABEL, STEP_LABEL, Platform, Week
from gnn_core.errors import WarehouseError
from gnn_core.io.artifacts import json_bytes
from gnn_core.io.warehouse import label_value
from gnn_core.monitoring.cost import (
    QUERY,
    UNKNOWN_BILLING,
    Charge,
    append_charges,
    charge,
    cost_table,
    month_cost,
    months,
    read_charges,
    step_charges,
    storage_charges,
)

TRAININGS = ("gnn_checkpoint", "promoted_model")
"""Steps that fit a model; their artifacts say on which device."""
KIND_TAG = "gnn/kind"
"""Tag of the platform's own jobs: an instance may run others too."""
LOOK_BACK = dt.timedelta(days=31)
"""Runs that were not charged yet are looked for so far back."""


def cost_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """cost_ledger."""

    @dg.asset(
        partitions_def=weekly,
        group_name="monitoring",
        deps=["recommendations"],
        kinds={"table"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="2",
    )
    def cost_ledger(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """What this run and every earlier one that was not charged yet cost, by asset and month, against the budget.

        Seconds of steps at the price of the machine that was used, bytes billed for queries, and what tables and
        artifacts take since the ledger was last written. A run that failed has cost too.
        """
        week = platform.week(context)
        now, prices = dt.datetime.now(dt.UTC), week.settings.cost
        before = read_charges(week.warehouse, week.settings)
        # Of a run that failed before it wrote one, the device of those that are there now stands for its own.
        on_gpu = {name for name in TRAININGS if week.read(name).manifest.meta.get("device") == "cuda"}
        charges: list[Charge] = []
        billing = "No run was charged."
        for run in uncharged_runs(context.instance, context.run.run_id, {c.run_id for c in before}, now):
            at = run.ended or now
            charges += step_charges(run.seconds, on_gpu, at=at, run_id=run.run_id, settings=prices)
            # This run is the last, so that the sentence is about it.
            billed, billing = _bytes_billed(week, run)
            charges += [
                charge(QUERY, size, asset=step, at=at, run_id=run.run_id, settings=prices)
                for step, size in billed.items()
            ]
        charges += storage_charges(_stored(week), before, at=now, run_id=context.run.run_id, settings=prices)
        added = append_charges(week.publisher, week.settings, charges)
        ledger = read_charges(week.warehouse, week.settings)
        name = f"{now:%Y-%m}"
        month = month_cost(ledger, name, prices, decided=prices.decided_month == name)
        content = month.as_json() | {"months": months(ledger), "billing": billing}
        # Of no settings section: what was spent stays spent when a price or a decision changes.
        artifact = week.write("cost_ledger", {"month.json": json_bytes(content)})
        return dg.MaterializeResult(
            metadata={
                "month": month.sentence,
                "billing": billing,
                "usd": month.usd,
                "charges_added": added,
                "by_asset": metadata.counts(month.by_asset, "asset", "USD"),
                "by_kind": metadata.counts(month.by_kind, "kind", "USD"),
                "by_month": metadata.counts(months(ledger), "month", "USD"),
                "ledger": str(cost_table(week.settings)),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [cost_ledger]


@dataclass(frozen=True)
class RunCost:
    """What a run's own record says: when, and how long each of its steps took."""

    run_id: str
    started: dt.datetime
    ended: dt.datetime | None
    """None while it runs."""
    seconds: dict[str, float]


def uncharged_runs(instance: dg.DagsterInstance, present: str, charged: set[str], now: dt.datetime) -> list[RunCost]:
    """Runs of the platform's jobs that have ended and are not in the ledger, oldest first, then the present one."""
    records = instance.get_run_records(dg.RunsFilter(created_after=now - LOOK_BACK), ascending=True)
    ended = [
        record.dagster_run.run_id
        for record in records
        if record.dagster_run.is_finished and KIND_TAG in record.dagster_run.tags
    ]
    wanted = [run_id for run_id in ended if run_id not in charged and run_id != present]
    found = [_run_cost(instance, run_id) for run_id in wanted]
    return [*(r for r in found if r is not None), *filter(None, [_run_cost(instance, present)])]


def _run_cost(instance: dg.DagsterInstance, run_id: str) -> RunCost | None:
    """None when no step has begun: such a run cost nothing."""
    stats = [s for s in instance.get_run_step_stats(run_id) if s.start_time is not None]
    if not stats:
        return None
    ends = [s.end_time for s in stats if s.end_time is not None]
    running = any(s.end_time is None for s in stats)
    return RunCost(
        run_id,
        started=dt.datetime.fromtimestamp(min(s.start_time for s in stats if s.start_time is not None), dt.UTC),
        ended=None if running or not ends else dt.datetime.fromtimestamp(max(ends), dt.UTC),
        seconds={s.step_key: s.end_time - s.start_time for s in stats if s.start_time and s.end_time is not None},
    )


def _bytes_billed(week: Week, run: RunCost) -> tuple[dict[str, int], str]:
    """Bytes billed for a run's queries by step, from the warehouse's own statistics of jobs, and what is known.

    Where they cannot be read nothing is charged, and the sentence says so: the check of the budget warns then.
    """
    try:
        found = week.warehouse.bytes_billed(run.started, {RUN_LABEL: label_value(run.run_id)}, STEP_LABEL)
    except WarehouseError as error:
        return {}, f"{UNKNOWN_BILLING}: {error}"
    if week.warehouse.engine == "duckdb":
        return found, "DuckDB bills no query: bytes billed are 0."
    billed = _by_step(found, run.seconds)
    return billed, f"Queries of the last run billed {sum(billed.values()):,} bytes, by BigQuery's statistics of jobs."


def _by_step(billed: dict[str, int], steps: Iterable[str]) -> dict[str, int]:
    """Labels, which hold fewer letters, back to the names of steps."""
    names = {label_value(step): step for step in steps}
    return {names.get(label, label): size for label, size in billed.items()}


def _stored(week: Week) -> dict[str, int]:
    """Bytes of artifacts by name, and of what the platform keeps in the warehouse."""
    warehouse = week.settings.warehouse
    tables = {d: week.warehouse.stored_bytes(d) for d in (warehouse.work_dataset, warehouse.serving_dataset)}
    if week.warehouse.engine == "duckdb":
        # One file holds them all.
        return {**week.store.sizes(), **tables[warehouse.serving_dataset]}
    return {**week.store.sizes(), **{f"tables of {dataset}": sum(sizes.values()) for dataset, sizes in tables.items()}}
