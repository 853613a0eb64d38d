"""The published table serves the share that the rollout's ledger says, whoever moved it, without waiting for Monday."""

import datetime as dt
from dataclasses import replace

import dagster as dg

from gnn_assets.environment import Environment
from gnn_assets.following import (
    BY_HAND,
    LAST_TRY_TAG,
    MOVE_TAG,
    TRIES,
    following,
    newest_published,
    next_try,
    publishing_run,
)
from gnn_assets.resources import PARTITION_TAG
from gnn_assets.sensors import PATIENCE_S
from gnn_core.errors import WarehouseBusyError


def rollout_sensor(republish: dg.JobDefinition, where: Environment) -> dg.SensorDefinition:
    """Publishes the newest published week again where the ledger's share is no longer the table's.

    The weekly run decides the share and makes the table in one run (decision 0011). All other moves of the ledger are
    made without a table: the job `experiment`, from the launchpad or after a weekly run that failed; `rollout_stage`
    materialised by hand; a weekly run that ends between the two, or whose table was refused since somebody moved.
    """

    @dg.sensor(
        name="rollout_is_published",
        job=republish,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A step or a rollback of the rollout is followed by a publish under its share, whoever moved it.",
    )
    def rollout_is_published(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        settings = where.settings()
        published = newest_published(where.artifacts(settings))
        if published is None:
            return dg.SkipReason("No week has been published yet.")
        # A run that is under way publishes under the share that the ledger has then, or is refused.
        if run := publishing_run(context.instance):
            return dg.SkipReason(f"Run {run.run_id[:8]} of {run.job_name} is under way and publishes.")
        patient = replace(settings, warehouse=replace(settings.warehouse, busy_retry_s=PATIENCE_S))
        try:
            found = following(where.warehouse(patient), settings, published)
        except WarehouseBusyError:
            return dg.SkipReason("A run holds the warehouse; asked again at the next look.")
        if found is None:
            return dg.SkipReason("No rollout governs the table.")
        if found.follows or found.live.rolled_back:
            return dg.SkipReason(found.sentence)
        tags = {PARTITION_TAG: published, MOVE_TAG: str(found.move.sequence)}
        tries = context.instance.get_run_records(dg.RunsFilter(job_name=republish.name, tags=tags))
        # What ended well and changed nothing is no less in vain than what failed.
        again = next_try([record.update_timestamp for record in tries])
        if again is None:
            return dg.SkipReason(
                f"{found.sentence} Tried {len(tries)} times, the last in run {tries[0].dagster_run.run_id[:8]}: a "
                f"person must find out why, and then {BY_HAND}."
            )
        if again > _now():
            return dg.SkipReason(f"{found.sentence} Tried {len(tries)} time(s); again at {again:%H:%M} UTC.")
        last = {LAST_TRY_TAG: "yes"} if len(tries) + 1 == TRIES else {}
        return dg.RunRequest(
            run_key=f"rollout-{found.move.sequence}-{published}-{len(tries)}",
            partition_key=published,
            tags={MOVE_TAG: str(found.move.sequence)} | last,
        )

    return rollout_is_published


def _now() -> dt.datetime:
    """When it is asked: the only use of the clock here."""
    return dt.datetime.now(dt.UTC)
