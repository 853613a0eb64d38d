"""The published table serves the share that the rollout's ledger says, whoever moved it, without waiting for Monday."""

from dataclasses import replace

import dagster as dg

from gnn_assets.environment import Environment
from gnn_assets.partitions import as_of
from gnn_assets.sensors import PATIENCE_S
from gnn_core.errors import WarehouseBusyError
from gnn_core.experiment.rollout import HOLD
from gnn_core.experiment.rollout_ledger import read_moves
from gnn_core.experiment.serving_arms import governing_share
from gnn_core.io.artifacts import ArtifactStore
from gnn_core.publishing.shares import live_share
from gnn_core.publishing.state import read_ledger

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def rollout_sensor(weekly: dg.JobDefinition, republish: dg.JobDefinition, where: Environment) -> dg.SensorDefinition:
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
        published = _newest(where.artifacts(settings), "recommendations")
        if published is None:
            return dg.SkipReason("No week has been published yet.")
        # A run that is under way publishes under the share that the ledger has then, or is refused.
        if runs := [run for job in (weekly, republish) for run in _under_way(context.instance, job.name)]:
            return dg.SkipReason(f"Run {runs[0].run_id[:8]} of {runs[0].job_name} is under way and publishes.")
        patient = replace(settings, warehouse=replace(settings.warehouse, busy_retry_s=PATIENCE_S))
        try:
            # Both ledgers as they are now: an artifact may be older than a move, or than what went live since.
            warehouse = where.warehouse(patient)
            moves, live = read_moves(warehouse, settings), live_share(read_ledger(warehouse, settings))
        except WarehouseBusyError:
            return dg.SkipReason("A run holds the warehouse; asked again at the next look.")
        share = governing_share(moves, settings.experiment, as_of(published))
        if share is None or live is None:
            return dg.SkipReason("No rollout governs the table.")
        move = next(m for m in reversed(moves) if m.action != HOLD)
        stands = f"The rollout stands at {share:.0%}: {move.reason}"
        if live.share == share:
            return dg.SkipReason(f"{stands} The live table, run {live.run_id[:8]}, was made under this share.")
        if live.rolled_back:
            return dg.SkipReason(
                f"{stands} A person has put run {live.run_id[:8]} back, which was made otherwise; nothing replaces it "
                "by itself. `gnn rollout publish` makes the table of this share."
            )
        return dg.RunRequest(run_key=f"rollout-{move.sequence}", partition_key=published)

    return rollout_is_published


def _newest(store: ArtifactStore, name: str) -> str | None:
    weeks = [week for week in store.weeks() if week[:1].isdigit() and store.exists(week, name)]
    return weeks[-1] if weeks else None


def _under_way(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNDER_WAY), limit=1))
