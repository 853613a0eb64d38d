"""Everything that Dagster knows, put together once. Tests build the same platform on their own environment."""

from __future__ import annotations

import dagster as dg

from gnn_assets.assets.cost import cost_assets
from gnn_assets.assets.daily import daily_assets
from gnn_assets.assets.discovery import discovery_assets
from gnn_assets.assets.drift import drift_assets
from gnn_assets.assets.evaluation import evaluation_assets
from gnn_assets.assets.experiment import experiment_assets
from gnn_assets.assets.facts import fact_assets
from gnn_assets.assets.graph import graph_assets
from gnn_assets.assets.impact import impact_assets
from gnn_assets.assets.monitoring import monitoring_assets
from gnn_assets.assets.program import program_assets
from gnn_assets.assets.rollout import rollout_assets
from gnn_assets.assets.scoring import scoring_assets
from gnn_assets.assets.serving import serving_assets
from gnn_assets.assets.sources import raw_assets
from gnn_assets.assets.training import training_assets
from gnn_assets.assets.vectors import vector_assets
from gnn_assets.checks.daily import daily_checks
from gnn_assets.checks.decisions import decision_checks
from gnn_assets.checks.discovery import discovery_checks
from gnn_assets.checks.experiment import experiment_checks
from gnn_assets.checks.facts import fact_checks
from gnn_assets.checks.impact import impact_checks
from gnn_assets.checks.monitoring import monitoring_checks
from gnn_assets.checks.serving import audit_checks
from gnn_assets.checks.sources import source_checks
from gnn_assets.environment import Environment
from gnn_assets.guards_sensor import guards_sensor
from gnn_assets.partitions import daily_partitions, weekly_partitions
from gnn_assets.pods import executor
from gnn_assets.policy import retries
from gnn_assets.resources import Platform
from gnn_assets.rollout_sensor import rollout_sensor
from gnn_assets.schedules import (
    daily_schedule,
    experiment_job,
    republish_job,
    watch_job,
    weekly_job,
    weekly_schedule,
)
from gnn_assets.sensors import alert_sensor, new_data_sensor


def build_defs(where: Environment) -> dg.Definitions:
    """The platform on an environment; its store decides which weeks there are."""
    settings = where.settings()
    weekly, retry = weekly_partitions(settings.store), retries(settings.kubernetes)
    daily = daily_partitions(settings.store)
    job, republish, experiment = (make(weekly, retry) for make in (weekly_job, republish_job, experiment_job))
    watch = watch_job(daily, retry)
    platform = dg.Definitions(
        assets=[
            *raw_assets(weekly),
            *fact_assets(weekly),
            *graph_assets(weekly),
            *training_assets(weekly),
            *scoring_assets(weekly),
            *evaluation_assets(weekly),
            *rollout_assets(weekly),
            *serving_assets(weekly),
            *vector_assets(weekly),
            *experiment_assets(weekly),
            *drift_assets(weekly),
            *monitoring_assets(weekly),
            *cost_assets(weekly),
            *program_assets(weekly),
            *daily_assets(daily),
            *discovery_assets(weekly),
            *impact_assets(weekly),
        ],
        asset_checks=[
            *source_checks(),
            *fact_checks(),
            *decision_checks(),
            audit_checks(settings),
            *experiment_checks(),
            *monitoring_checks(),
            *discovery_checks(),
            *impact_checks(),
            *daily_checks(),
        ],
        jobs=[job, experiment, republish, watch],
        schedules=[weekly_schedule(job, where), daily_schedule(watch, where)],
        sensors=[
            rollout_sensor(republish, where),
            guards_sensor(job, experiment, where),
            new_data_sensor(job, where),
            alert_sensor(where),
        ],
        resources={"platform": Platform.of(where)},
    )
    steps = [*(platform.assets or ()), *(platform.asset_checks or ())]
    # The executor of every job that names none, which is each of ours.
    where_steps_run = executor(settings.kubernetes, steps, str(where.training_dir), where.name)
    return dg.Definitions.merge(platform, dg.Definitions(executor=where_steps_run))


def load() -> dg.Definitions:
    """The platform on the environment that the variables name."""
    return build_defs(Environment.from_variables())


defs = load()
