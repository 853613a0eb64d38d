"""Everything that Dagster knows, put together once. Tests build the same platform on their own environment."""

from __future__ import annotations

import dagster as dg

from gnn_assets.assets.discovery import discovery_assets
from gnn_assets.assets.evaluation import evaluation_assets
from gnn_assets.assets.experiment import experiment_assets
from gnn_assets.assets.graph import graph_assets
from gnn_assets.assets.impact import impact_assets
from gnn_assets.assets.monitoring import monitoring_assets
from gnn_assets.assets.rollout import rollout_assets
from gnn_assets.assets.scoring import scoring_assets
from gnn_assets.assets.serving import serving_assets
from gnn_assets.assets.sources import raw_assets
from gnn_assets.assets.training import training_assets
from gnn_assets.checks.decisions import decision_checks
from gnn_assets.checks.discovery import discovery_checks
from gnn_assets.checks.experiment import experiment_checks
from gnn_assets.checks.impact import impact_checks
from gnn_assets.checks.monitoring import monitoring_checks
from gnn_assets.checks.serving import audit_checks
from gnn_assets.checks.sources import source_checks
from gnn_assets.environment import Environment
from gnn_assets.partitions import weekly_partitions
from gnn_assets.resources import Platform
from gnn_assets.schedules import experiment_job, republish_job, weekly_job, weekly_schedule
from gnn_assets.sensors import rollback_sensor


def build_defs(where: Environment) -> dg.Definitions:
    """The platform on an environment; its store decides which weeks there are."""
    weekly = weekly_partitions(where.settings().store)
    job, republish = weekly_job(weekly), republish_job(weekly)
    return dg.Definitions(
        assets=[
            *raw_assets(weekly),
            *graph_assets(weekly),
            *training_assets(weekly),
            *scoring_assets(weekly),
            *evaluation_assets(weekly),
            *rollout_assets(weekly),
            *serving_assets(weekly),
            *experiment_assets(weekly),
            *monitoring_assets(weekly),
            *discovery_assets(weekly),
            *impact_assets(weekly),
        ],
        asset_checks=[
            *source_checks(),
            *decision_checks(),
            audit_checks(),
            *experiment_checks(),
            *monitoring_checks(),
            *discovery_checks(),
            *impact_checks(),
        ],
        jobs=[job, experiment_job(weekly), republish],
        schedules=[weekly_schedule(job)],
        sensors=[rollback_sensor(republish, where)],
        resources={"platform": Platform.of(where)},
        executor=dg.in_process_executor,
    )


def load() -> dg.Definitions:
    """The platform on the environment that the variables name."""
    return build_defs(Environment.from_variables())


defs = load()
