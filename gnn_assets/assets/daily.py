"""freshness, daily_readout: what is looked at every day, between two weekly runs.

Both only read what is published and what the sources hold. They make nothing that a weekly step reads, so that a look
in mid-week can never make a week's artifacts contradict each other.
"""

import dataclasses
import datetime as dt
from typing import Any

import dagster as dg
import pandas as pd

from gnn_assets import metadata, partitions
from gnn_assets.assets.experiment import metrics_frame, read_week, readout_state
from gnn_assets.following import following, newest_published, publishing_run
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.contracts import conform
from gnn_core.io.artifacts import json_bytes
from gnn_core.monitoring.freshness import input_freshness, published_freshness
from gnn_core.stores.staging import stage_table

ROLLOUT = "rollout"
"""What is said of the table and the rollout, beside the two ages."""
READ = ("users", "products", "events", "sends", "engagements")
"""Contract tables that a readout needs, in the order in which they are staged."""


def daily_assets(daily: dg.DailyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """freshness, daily_readout."""

    @dg.asset(
        partitions_def=daily,
        group_name="monitoring",
        kinds={"python"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def freshness(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Age of the newest event in the source and of the published table, and whether that follows the rollout.

        What it finds is a feed, a schedule or a sensor that has stopped.
        """
        week = day_of(platform, context.partition_key)
        now = _now(week)
        found = [
            input_freshness(week.warehouse, week.settings, now),
            published_freshness(week.warehouse, week.settings, now),
        ]
        follows, said = _follows(week, context.instance)
        content = {f.what: f.as_json() for f in found} | {ROLLOUT: {"follows": follows, "sentence": said}}
        artifact = week.store.write(
            f"day-{context.partition_key}", "freshness", {"freshness.json": json_bytes(content)}
        )
        return dg.MaterializeResult(
            metadata={**{f.what: f.sentence for f in found}, ROLLOUT: said, **metadata.artifact(artifact)},
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=daily,
        group_name="experiment",
        kinds={"python"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def daily_readout(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """The running experiment as of the end of the day: harm is seen the day after, not the Monday after.

        It decides nothing: gate 2 and the rollout are moved by the weekly run, or by a person.
        """
        week = day_of(platform, context.partition_key)
        state: str | None = readout_state(week)
        if state is None and partitions.as_of(week.key).weekday() == 0:
            state = f"the weekly run of {week.key} reads this day"
        content: dict[str, Any] = {}
        shown: dict[str, Any] = {}
        if state is None:
            readout, _ = read_week(staged(week))
            content = readout.as_json()
            shown = {
                "gate_2": f"{readout.verdict.verdict}: {readout.verdict.reason}",
                "metrics": metadata.rows(metrics_frame(readout)),
            }
        content = {"state": state or "read", **content}
        artifact = week.store.write(
            f"day-{context.partition_key}", "daily_readout", {"readout.json": json_bytes(content)}
        )
        return dg.MaterializeResult(
            metadata={"state": content["state"], **shown, **metadata.artifact(artifact)},
            data_version=dg.DataVersion(artifact.version),
        )

    return [freshness, daily_readout]


class Day(Week):
    """A week whose tables stand in the memory of one step instead of the artifact store."""

    staged: dict[str, pd.DataFrame]

    def frames(self, *names: str) -> dict[str, pd.DataFrame]:
        """Contract tables of READ as frames."""
        return {name: self.staged[name] for name in names}


def day_of(platform: Platform, day: str) -> Week:
    """The seven days that end with a day, in the form in which a week's steps know a week."""
    week = platform.week((dt.date.fromisoformat(day) + dt.timedelta(days=1) - partitions.WEEK).isoformat())
    # A Sunday ends the same seven days as the weekly run, which may be at work on its tables.
    return dataclasses.replace(week, tables=dataclasses.replace(week.tables, prefix="day_"))


def staged(week: Week) -> Day:
    """The week with its tables staged from the sources and read; nothing of them stays in the warehouse."""
    frames: dict[str, pd.DataFrame] = {}
    try:
        for name in READ:
            stage_table(week.warehouse, name, week.tables, week.settings)
            frames[name] = conform(name, week.warehouse.read(week.tables.table(name))).to_pandas()
    finally:
        for name in READ:
            week.warehouse.drop(week.tables.table(name))
    day = Day(**{field.name: getattr(week, field.name) for field in dataclasses.fields(Week)})
    object.__setattr__(day, "staged", frames)
    return day


def _follows(week: Week, instance: dg.DagsterInstance) -> tuple[bool, str]:
    """Whether the live table serves the rollout's share, or is about to; and in words."""
    published = newest_published(week.store)
    found = following(week.warehouse, week.settings, published) if published else None
    if found is None:
        return True, "No rollout governs the table."
    run = None if found.follows else publishing_run(instance)
    if run is not None:
        return True, f"Run {run.run_id[:8]} of {run.job_name} is under way and publishes."
    return found.follows, found.sentence


def _now(week: Week) -> dt.datetime:
    """The clock; or the end of a store that has ended, whose time has stopped."""
    last = week.settings.store.last_week
    if last is None:
        return dt.datetime.now(dt.UTC)
    return dt.datetime.combine(last + partitions.WEEK, dt.time(), tzinfo=dt.UTC)
