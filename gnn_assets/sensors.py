"""What happens between two Mondays: a rollback of the rollout is published at once."""

import dagster as dg

from gnn_assets.environment import Environment


def rollback_sensor(job: dg.JobDefinition, where: Environment) -> dg.SensorDefinition:
    """Publishes SQL's table as soon as the newest rollout_stage says that the rollout was rolled back."""

    @dg.sensor(
        name="rollback_is_published",
        job=job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A guard that rolled back is followed by a publish of SQL's table, without waiting for Monday.",
    )
    def rollback_is_published(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # Artifacts only: the embedded warehouse may be held by a run.
        store = where.artifacts(where.settings())
        weeks = [w for w in store.weeks() if w[:1].isdigit()]
        staged = [w for w in weeks if store.exists(w, "rollout_stage")]
        served = [w for w in weeks if store.exists(w, "recommendation_candidates")]
        if not staged or not served:
            return dg.SkipReason("No week has been run yet.")
        stage = store.read(staged[-1], "rollout_stage").json("stage.json")
        if stage["action"] != "rollback":
            return dg.SkipReason(f"The rollout stands at {stage['share']:.0%}: {stage['reason']}")
        return dg.RunRequest(run_key=f"rollback-{stage['sequence']}", partition_key=served[-1])

    return rollback_is_published
