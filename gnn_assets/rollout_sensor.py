"""The published table serves the share that the rollout's ledger says, whoever moved it, without waiting for Monday."""

import dagster as dg

from gnn_assets.environment import Environment
from gnn_core.io.artifacts import ArtifactStore

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
    materialised by hand; a weekly run that ends between the two.
    """

    @dg.sensor(
        name="rollout_is_published",
        job=republish,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A step or a rollback of the rollout is followed by a publish under its share, whoever moved it.",
    )
    def rollout_is_published(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # Artifacts only: the embedded warehouse may be held by a run.
        store = where.artifacts(where.settings())
        staged, published = (_newest(store, name) for name in ("rollout_stage", "recommendations"))
        if staged is None or published is None:
            return dg.SkipReason("No week has been run yet.")
        stage = store.read(staged, "rollout_stage").json("stage.json")
        stands = f"The rollout stands at {stage['share']:.0%}: {stage['reason']}"
        if not stage["from_ledger"]:
            return dg.SkipReason(f"No rollout governs the table. {stands}")
        # None: the ledger had no part in that table.
        served = store.read(published, "recommendations").json("published.json").get("ledger_share")
        if served == stage["share"]:
            return dg.SkipReason(f"{stands} The table of {published} was made under this share.")
        # A run that is under way publishes under the share that its own rollout_stage reads from the ledger.
        runs = [run for job in (weekly, republish) for run in _under_way(context.instance, job.name)]
        if runs:
            return dg.SkipReason(f"{stands} Run {runs[0].run_id[:8]} of {runs[0].job_name} is under way and publishes.")
        return dg.RunRequest(run_key=f"rollout-{stage['sequence']}", partition_key=published)

    return rollout_is_published


def _newest(store: ArtifactStore, name: str) -> str | None:
    weeks = [week for week in store.weeks() if week[:1].isdigit() and store.exists(week, name)]
    return weeks[-1] if weeks else None


def _under_way(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNDER_WAY), limit=1))
