"""The weekly job and when it runs by itself."""

from __future__ import annotations

from typing import Any

import dagster as dg


def weekly_job(weekly: dg.WeeklyPartitionsDefinition) -> Any:
    """Snapshot → train → judge → decide → score → audit → publish, for one week."""
    return dg.define_asset_job(
        "weekly",
        selection=dg.AssetSelection.all(),
        partitions_def=weekly,
        description="Snapshot, train, judge, decide, score, audit and publish one week.",
        # One process: DuckDB admits no second one, and steps share the coded snapshot in memory.
        executor_def=dg.in_process_executor,
        tags={"gnn/kind": "weekly"},
    )


def weekly_schedule(job: Any) -> Any:
    """Mondays 05:00 UTC, for the week that ended at midnight: late events have had five hours to arrive."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name="every_monday",
        hour_of_day=5,
        minute_of_hour=0,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Mondays at 05:00 UTC: the weekly job for the week that has just ended.",
    )
