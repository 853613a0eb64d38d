"""Weeks that merge their interactions publish what a full rebuild publishes: same versions, same digest."""

import dagster as dg
import pandas as pd
import pytest

from gnn_assets.definitions import build_defs
from gnn_assets.resources import RAW
from gnn_core.publishing.state import live_state

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

BEFORE, LATER, WEEK = "2026-02-09", "2026-02-16", "2026-02-23"
JOBS = [
    dg.define_asset_job("facts_only", selection=dg.AssetSelection.assets(*RAW, "interaction_facts")),
    dg.define_asset_job("published", selection=dg.AssetSelection.assets("recommendations").upstream()),
]
EQUAL = ("interaction_facts", "temporal_split", "hetero_graph", "gnn_checkpoint", "sql_scores", "validation_choice",
         "gnn_scores", "eval_report", "promoted_model")  # fmt: skip
"""Everything on the way to the table that neither names its run nor compares itself with the week before."""


def execute(store, job, week):
    definitions = dg.Definitions.merge(build_defs(store.environment), dg.Definitions(jobs=JOBS))
    assert definitions.resolve_job_def(job).execute_in_process(partition_key=week).success


def artifact(store, name, week=WEEK):
    return store.environment.artifacts(store.settings).read(week, name)


def test_three_weeks_of_merges_with_late_rows_publish_what_a_rebuild_publishes(simulated_copy, published_store):
    store, rebuilt = simulated_copy, published_store.installation
    assert artifact(rebuilt, "interaction_facts").manifest.meta["how"] == "rebuilt"
    whole = store.warehouse.read(store.source("events"))
    rows = whole.to_pandas()
    moments = pd.to_datetime(rows["client_event_timestamp"], utc=True)
    # A twentieth of the first week's and of all earlier rows come two weeks late, and some of them never to be missed.
    late = (moments < pd.Timestamp(LATER, tz="UTC")) & (pd.Series(range(len(rows))) % 20 == 0)
    store.change_source("events", lambda _: whole.filter((~late).to_numpy()))
    for week in (BEFORE, LATER):
        execute(store, "facts_only", week)
    assert artifact(store, "interaction_facts", LATER).manifest.meta["how"] == "merged"
    store.change_source("events", lambda _: whole)

    execute(store, "published", WEEK)
    said = artifact(store, "interaction_facts").manifest.meta
    assert said["how"] == "merged"
    assert min(said["new"], said["late"]) > 50
    for name in EQUAL:
        assert artifact(store, name).version == artifact(rebuilt, name).version, name
    assert live_state(store.warehouse, store.settings).digest == rebuilt.live.digest
