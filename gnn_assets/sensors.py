"""What happens between two Mondays, each in a sensor that is on by itself."""

import datetime as dt

import dagster as dg

from gnn_assets.alerts.post import look_and_post
from gnn_assets.environment import Environment


def alert_sensor(where: Environment) -> dg.SensorDefinition:
    """Tells people of red checks and failed runs. It only reads what runs have left behind, so it cannot fail one."""

    @dg.sensor(
        name="alerts_are_sent",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Red checks and failed runs are told by webhook and e-mail: once, repetitions counted, retried.",
    )
    def alerts_are_sent(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        assert context.repository_def is not None
        graph = context.repository_def.asset_graph
        return dg.SkipReason(str(look_and_post(where, context.instance, graph, dt.datetime.now(dt.UTC))))

    return alerts_are_sent


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
