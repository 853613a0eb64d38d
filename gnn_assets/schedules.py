"""The jobs, and when they run by themselves. Every schedule names its time zone, and every run the tick it is for."""

from __future__ import annotations

from typing import Any

import dagster as dg

from gnn_assets.environment import Environment
from gnn_assets.partitions import newest_day, newest_week
from gnn_assets.resources import PARTITION_TAG

DAILY = ("freshness", "daily_readout")
"""Assets of a day; everything else is of a week."""


def weekly_job(weekly: dg.WeeklyPartitionsDefinition, retry: dg.RetryPolicy | None = None) -> Any:
    """Snapshot → train → judge → decide → score → audit → publish, for one week."""
    return dg.define_asset_job(
        "weekly",
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*DAILY),
        partitions_def=weekly,
        description="Snapshot, train, judge, decide, score, audit and publish one week.",
        tags={"gnn/kind": "weekly"},
        op_retry_policy=retry,
    )


def experiment_job(weekly: dg.WeeklyPartitionsDefinition, retry: dg.RetryPolicy | None = None) -> Any:
    """Snapshot → read the experiment → move the rollout, without training or publishing anything."""
    return dg.define_asset_job(
        "experiment",
        selection=dg.AssetSelection.groups("sources")
        | dg.AssetSelection.assets("experiment_readout", "rollout_stage", "program_status"),
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


def weekly_schedule(job: Any, where: Environment) -> dg.ScheduleDefinition:
    """Mondays 05:00 UTC, for the week that ended at midnight: late events have had five hours to arrive.

    The week is named by the tick, not by the clock that evaluates it: a tick that was missed is made up for its own
    week, in order. A week that was already made, or is being made, is left alone: `new_data_are_refreshed` is usually
    earlier, and looks after what arrives later.
    """

    @dg.schedule(
        name="every_monday",
        job=job,
        cron_schedule="0 5 * * 1",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Mondays at 05:00 UTC: the weekly job for the week that has just ended, unless that was made.",
    )
    def every_monday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        week = newest_week(where.settings().store, context.scheduled_execution_time)
        if week is None:
            return dg.SkipReason("No week has ended yet.")
        filters = dg.RunsFilter(job_name=job.name, tags={PARTITION_TAG: week}, statuses=MADE)
        made = context.instance.get_run_records(filters, limit=1)
        if made:
            run = made[0].dagster_run
            return dg.SkipReason(f"Week {week} is made: run {run.run_id[:8]} is {run.status.value.lower()}.")
        return dg.RunRequest(run_key=f"week-{week}", partition_key=week)

    return every_monday


MADE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.SUCCESS,
]
"""States of a run that make another one of the same week pointless."""


def watch_job(daily: dg.DailyPartitionsDefinition, retry: dg.RetryPolicy | None = None) -> Any:
    """The daily look: is the feed alive, is the table fresh, does the experiment harm anybody."""
    return dg.define_asset_job(
        "watch",
        selection=dg.AssetSelection.assets(*DAILY),
        partitions_def=daily,
        description="Daily: age of inputs and of the published table, and a reading of the experiment as of the day.",
        tags={"gnn/kind": "watch"},
        op_retry_policy=retry,
    )


def daily_schedule(job: Any, where: Environment) -> dg.ScheduleDefinition:
    """Every day 07:00 UTC, for the day that ended at midnight; after Monday's weekly run has begun."""

    @dg.schedule(
        name="every_day",
        job=job,
        cron_schedule="0 7 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day at 07:00 UTC: is the feed alive, is the table fresh, does the experiment harm anybody.",
    )
    def every_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = newest_day(where.settings().store, context.scheduled_execution_time)
        if day is None:
            return dg.SkipReason("No day has ended yet.")
        return dg.RunRequest(run_key=f"day-{day}", partition_key=day)

    return every_day
