"""The weekly job and when it runs by itself."""

from __future__ import annotations

from typing import Any

import dagster as dg


def weekly_job(weekly: dg.WeeklyPartitionsDefinition, retry: dg.RetryPolicy | None = None) -> Any:
    """Snapshot → train → judge → decide → score → audit → publish, for one week."""
    return dg.define_asset_job(
        "weekly",
        selection=dg.AssetSelection.all(),
        partitions_def=weekly,
        description="Snapshot, train, judge, decide, score, audit and publish one week.",
        tags={"gnn/kind": "weekly"},
        op_retry_policy=retry,
    )


def experiment_job(weekly: dg.WeeklyPartitionsDefinition, retry: dg.RetryPolicy | None = None) -> Any:
    """Snapshot → read the experiment → move the rollout, without training or publishing anything."""
    return dg.define_asset_job(
        "experiment",
        selection=dg.AssetSelection.groups("sources") | dg.AssetSelection.assets("experiment_readout", "rollout_stage"),
        partitions_def=weekly,
        description="Snapshot the week, read the experiment as of its end, and move the rollout; nothing is trained.",
        tags={"gnn/kind": "experiment"},
        op_retry_policy=retry,
    )


def republish_job(weekly: dg.WeeklyPartitionsDefinition, retry: dg.RetryPolicy | None = None) -> Any:
    """Decide the share again → score → audit → publish, for a move of the rollout that cannot wait for Monday."""
    return dg.define_asset_job(
        "republish",
        selection=dg.AssetSelection.assets("rollout_stage", "recommendation_candidates", "recommendations"),
        partitions_def=weekly,
        description="Make and publish the week's table again under the rollout's present share; nothing is trained.",
        tags={"gnn/kind": "republish"},
        op_retry_policy=retry,
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
