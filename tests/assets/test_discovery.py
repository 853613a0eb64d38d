"""On the simulated store after a week: tables that other teams read, reasons that are told, and the look ahead."""

import json

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from gnn_assets.definitions import build_defs
from gnn_assets.partitions import week_tables
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.schema import live_table, paths_view, wide_view

WEEK = "2026-02-23"


def artifact(store, name):
    where = store.environment
    return where.artifacts(where.settings()).read(WEEK, name)


def execute(store, *assets):
    """Materialise assets of the week in this process, with their checks."""
    job = build_defs(store.environment).resolve_job_def("weekly")
    keys = [dg.AssetKey(name) for name in assets]
    return job.execute_in_process(partition_key=WEEK, asset_selection=keys, raise_on_error=False)


def checks(result, asset):
    return {e.check_name: e for e in result.get_asset_check_evaluations() if e.asset_key.to_user_string() == asset}


@pytest.fixture(scope="module")
def store(published_store):
    return published_store.installation


def test_every_published_row_has_a_reason_and_its_edges(store):
    warehouse, settings = store.warehouse, store.settings
    rows = warehouse.read(live_table(settings)).to_pandas()
    assert rows["reason"].str.startswith("Fits your ").all()
    assert {"owners", "other_owners"} <= set(rows["reason_path"])
    edges = warehouse.read(paths_view(settings)).to_pandas()
    fits = edges[edges["edge"] == "rev_fits"]
    assert len(fits) == len(rows)
    assert set(zip(edges["user_id"], edges["slot"], strict=True)) == set(
        zip(rows["user_id"], rows["slot"], strict=True)
    )
    wide = warehouse.read(wide_view(settings)).to_pandas().set_index("user_id")
    first = rows[rows["slot"] == 1].set_index("user_id")["reason"]
    assert (wide.loc[first.index, "rec1_reason"] == first).all()


def test_side_tables_are_served_and_their_figures_are_kept(store):
    settings, serving = store.settings, store.settings.warehouse.serving_dataset
    similar = store.warehouse.read(TableName(serving, settings.discovery.similarity_table)).to_pandas()
    assert set(similar["kind"]) <= {"substitute", "complement", "related"}
    assert (similar["product_id"] != similar["similar_product_id"]).all()
    ranking = store.warehouse.read(TableName(serving, settings.discovery.universal_table)).to_pandas()
    assert sorted(ranking["rank"]) == list(range(1, len(ranking) + 1))
    facts = artifact(store, "universal_ranking").json("facts.json")
    assert facts["added"]["0"]["estimate"] in (0.0, None)
    assert set(facts["validation"]) == {f"{s:g}" for s in settings.discovery.universal_spreads}
    found = artifact(store, "cross_vehicle_discovery").json("discovery.json")
    rows = store.warehouse.read(live_table(settings)).num_rows
    assert sum(r["rows"] for r in found["counts"]) == found["rows"] == rows == sum(found["reasons"].values())
    users = artifact(store, "user_similarity").table("users.parquet").to_pandas()
    assert users["user_id"].is_unique


def test_the_first_publish_has_nothing_to_be_compared_with(store):
    facts = artifact(store, "fitment_change_impact").json("impact.json")
    assert facts["state"].startswith("nothing was published before")
    assert "nothing was published before" in store.gnn("impact", code=1)


@pytest.mark.slow
def test_the_same_lists_again_take_nothing_from_anyone(published_copy):
    result = execute(published_copy, "recommendation_candidates", "fitment_change_impact")
    assert result.success
    facts = artifact(published_copy, "fitment_change_impact").json("impact.json")
    assert (facts["state"], facts["users_losing"], facts["by_reason"]) == ("compared", 0, [])
    assert checks(result, "fitment_change_impact")["few_users_lose_slots"].passed
    assert "0 users (0.00%) lose a slot" in published_copy.gnn("impact")


def test_a_fitment_that_is_taken_away_is_seen_before_anything_is_published(published_copy):
    made, settings = published_copy, published_copy.settings
    fitment = week_tables(WEEK, settings.warehouse.work_dataset).table("fitment")
    live = made.warehouse.read(live_table(settings)).to_pandas()
    pair = live.groupby(["vehicle_id", "product_id"]).size().idxmax()
    before = made.warehouse.read(fitment).to_pandas()
    gone = (before["vehicle_id"] == pair[0]) & (before["product_id"] == pair[1])
    assert gone.sum() == 1
    digest = made.live.digest

    made.warehouse.load(fitment, pa.Table.from_pandas(before[~gone], preserve_index=False))
    shown = (live["vehicle_id"] == pair[0]) & (live["product_id"] == pair[1])
    wanted = int(shown.sum())
    share = live.loc[shown, "user_id"].nunique() / live["user_id"].nunique()
    allowed = settings.discovery.max_lost_share
    found = json.loads(made.gnn("impact", "--facts", "--json", code=int(share > allowed)))
    by_reason = pd.DataFrame(found["by_reason"]).set_index("reason")
    assert by_reason.loc["fitment removed", "slots"] == wanted
    assert by_reason.loc["fitment removed", "users"] == found["users_losing"]
    assert made.live.digest == digest
