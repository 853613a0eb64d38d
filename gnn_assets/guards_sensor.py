"""A weekly run that fails must not leave the rollout unwatched: its guards are read all the same."""

import dagster as dg

from gnn_assets.environment import Environment
from gnn_assets.resources import PARTITION_TAG


def guards_sensor(weekly: dg.JobDefinition, experiment: dg.JobDefinition, where: Environment) -> dg.SensorDefinition:
    """Runs the job `experiment`, which trains nothing, for the week whose weekly run has failed.

    The weekly run reads the guards after the training, whose drift they ask about. Where that did not get so far, they
    are read from what the week before left: harm is rolled back, and nothing else moves on without new data. Tables
    that break their contract stop this too, and are told by their own check.
    """

    @dg.run_failure_sensor(
        name="guards_are_read_without_training",
        monitored_jobs=[weekly],
        request_job=experiment,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After a weekly run that failed, reads the rollout's guards all the same, while a rollout runs.",
    )
    def guards_are_read_without_training(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        week = run.tags.get(PARTITION_TAG)
        if week is None:
            return dg.SkipReason(f"Run {run.run_id} names no week.")
        # Artifacts only: the embedded warehouse may be held by a run.
        store = where.artifacts(where.settings())
        staged = [w for w in store.weeks() if w[:1].isdigit() and store.exists(w, "rollout_stage")]
        stage = store.read(staged[-1], "rollout_stage").json("stage.json") if staged else None
        if stage is None or not stage["from_ledger"] or stage["share"] == 0:
            return dg.SkipReason("No rollout is running, so there is no guard to read.")
        return dg.RunRequest(run_key=f"guards-{run.run_id}", partition_key=week)

    return guards_are_read_without_training
