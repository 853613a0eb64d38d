"""The whole week through the `gnn` command on a simulated store: what one run leaves behind, what a second changes."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from gnn_core.io.warehouse import TableName
from gnn_core.publishing.schema import live_table, wide_view
from tests.fixtures.installation import QUICK

WEEK = "2026-02-23"


@pytest.fixture(scope="module")
def store(published_store):
    return published_store.installation


@pytest.fixture(scope="module")
def found(store):
    return store.status()


def artifact(store, name, week=WEEK):
    return store.environment.artifacts(store.settings).read(week, name)


def versions(store, week=WEEK):
    """Content of everything that a week wrote, but what names its run (the candidates, their parts and what is made
    from the table that they are staged in; its rows have a digest of their own) or its cost."""
    candidates = ("recommendation_candidates", "recommendation_plan", "recommendation_shard_0")
    staged = ("recommendations", "cross_vehicle_discovery")
    left_out = (*candidates, *staged, "cost_ledger", "program_status")
    names = sorted(p.name for p in (store.environment.state_dir / "artifacts" / week).iterdir())
    return {name: artifact(store, name, week).version for name in names if name not in left_out}


def test_run_says_what_it_did(published_store):
    printed = published_store.printed
    assert f"Weekly job for the week of {WEEK}, as of 2026-03-02" in printed
    assert "✓ recommendations" in printed
    assert "BLOCKED" not in printed
    assert "2,000 users, 8,000 slots" in printed


def test_status_for_programs_has_the_promised_keys(store, found):
    assert found["warehouse"] == f"duckdb:{store.environment.state_dir / 'warehouse.duckdb'}"
    assert set(found["published"]) == {"table", "run_id", "users", "rows", "digest", "source"}
    assert {"verdict", "lift", "interval", "reason"} <= set(found["gates"]["gate1"])
    assert 0 <= found["alpha"] <= 1


def test_status_is_what_the_live_table_says(store, found):
    live = store.warehouse.read(live_table(store.settings)).to_pandas()
    published = found["published"]
    assert published["table"] == "serving.recommendations"
    assert (published["rows"], published["users"]) == (len(live), live["user_id"].nunique())
    assert live["run_id"].unique().tolist() == [published["run_id"]]
    assert live["source"].unique().tolist() == [published["source"]]
    assert published["digest"] == store.live.digest


def test_status_and_report_carry_the_same_verdict(store, found):
    verdict = artifact(store, "eval_report").json("report.json")["verdicts"]["graph"]
    gate = found["gates"]["gate1"]
    assert gate["verdict"] == verdict["verdict"] in ("pass", "fail", "inconclusive")
    assert gate["interval"] == [verdict["low"], verdict["high"]]
    assert verdict["low"] < verdict["lift"] < verdict["high"]


def test_the_training_curve_is_of_the_model_that_was_judged_while_it_trained(store):
    steps = artifact(store, "eval_report").json("report.json")["training"]
    assert len(steps) > 1
    assert all(step["validation_recall_at_10"] is not None for step in steps)


def test_the_served_policy_follows_from_the_candidates_verdict(found):
    passed = found["gates"]["gate1_candidate"]["verdict"] == "pass"
    assert found["promoted"]["promoted"] is passed
    assert found["published"]["source"].startswith("sql_") is not passed


def test_status_says_which_newer_report_it_does_not_show_and_why(published_copy, found):
    """After a change of settings, what is live has a report that no longer counts; silence would look like no week."""
    assert found["passed_over"] == []
    published_copy.overlay({**QUICK, "gate1": {"threshold": 0.2}})
    now = published_copy.status()
    assert now["published"] == found["published"]
    assert now["gates"]["gate1"] is None
    assert any(f"{WEEK}/eval_report" in reason and "settings" in reason for reason in now["passed_over"])
    assert "not shown" in published_copy.gnn("status")


def test_report_is_a_page_that_needs_nothing_else(found):
    page = Path(found["report"]).read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert 'src="http' not in page
    assert found["gates"]["gate1"]["verdict"] in page.lower()


def test_wide_view_has_one_row_a_user_and_the_same_products(store):
    live = store.warehouse.read(live_table(store.settings)).to_pandas()
    wide = store.warehouse.read(wide_view(store.settings)).to_pandas().set_index("user_id").sort_index()
    assert wide.index.is_unique
    assert set(wide.index) == set(live["user_id"])
    for slot in (1, 2, 3, 4):
        rows = live[live["slot"] == slot].set_index("user_id").reindex(wide.index)
        for ours, theirs in {"sku": "product_id", "price": "price", "image": "image_url", "source": "source"}.items():
            pd.testing.assert_series_equal(wide[f"rec{slot}_{ours}"], rows[theirs], check_names=False)


def test_every_recommended_product_fits_a_vehicle_of_the_user(store):
    live = store.warehouse.read(live_table(store.settings)).to_pandas()
    tables = {
        name: store.warehouse.read(TableName("work", f"{name}_20260302")).to_pandas()
        for name in ("ownership", "fitment")
    }
    possible = tables["ownership"].merge(tables["fitment"], on="vehicle_id")[["user_id", "product_id"]]
    pairs = live[["user_id", "product_id"]].merge(possible.drop_duplicates(), how="left", indicator=True)
    assert (pairs["_merge"] == "both").all()


def test_rows_from_the_future_and_of_strangers_are_left_out_and_counted(store):
    raw = store.warehouse.read(store.source("events")).to_pandas()
    late = int((raw["client_event_timestamp"] >= pd.Timestamp("2026-03-02", tz="UTC")).sum())
    dropped = artifact(store, "raw_events").json("dropped.json")
    kept = artifact(store, "raw_events").table("events.parquet").to_pandas()
    assert late > 0
    assert dropped["event: at or after the as-of date"] == late
    assert kept["event_ts"].max() < pd.Timestamp("2026-03-02", tz="UTC")
    strangers = set(raw["user_id"]) - set(artifact(store, "raw_users").table("users.parquet")["user_id"].to_pylist())
    assert dropped["event: unknown user"] > 0
    assert strangers
    assert not strangers & set(kept["user_id"])


def test_doctor_finds_nothing_to_repair(store):
    printed = store.gnn("doctor")
    assert "BAD" not in printed
    assert "assets" in printed


@pytest.mark.parametrize(
    ("overlay", "named"),
    [
        pytest.param({"training": {"max_stepz": 10}}, "max_stepz", id="unknown key"),
        pytest.param({"training": {"max_steps": "many"}}, "max_steps", id="wrong type"),
        pytest.param({"publish": {"min_coverage": 1.5}}, "min_coverage", id="out of range"),
    ],
)
def test_doctor_names_the_broken_key_and_the_remedy(simulated_copy, overlay, named):
    simulated_copy.overlay(overlay)
    printed = simulated_copy.gnn("doctor", code=1)
    assert "BAD configuration" in printed
    assert named in printed
    assert "→ correct the key it names" in printed


def test_doctor_names_missing_source_tables(simulated_copy):
    simulated_copy.warehouse.drop(simulated_copy.source("treatment_sends"))
    printed = simulated_copy.gnn("doctor", code=1)
    assert "BAD source tables" in printed
    assert "source lacks treatment_sends" in printed
    assert "→ run `gnn simulate small`" in printed


def test_a_command_tells_a_broken_key_without_a_traceback(simulated_copy):
    simulated_copy.overlay({"training": {"max_stepz": 10}})
    printed = simulated_copy.gnn("status", code=1)
    assert "ConfigError" in printed
    assert "max_stepz" in printed
    assert "Traceback" not in printed


def test_rollback_refuses_when_there_is_no_earlier_version(published_copy):
    before = published_copy.live
    printed = published_copy.gnn("rollback", code=1)
    assert "PublishRefused: rollback: an earlier good version is not in the ledger" in printed
    assert before.run_id in printed
    assert published_copy.live == before


def test_publish_by_hand_repeats_what_is_live(published_copy):
    before = published_copy.live
    assert before.run_id in published_copy.gnn("publish")
    assert published_copy.live == before


def test_publish_by_hand_refuses_what_was_changed_after_staging(published_copy):
    warehouse, before = published_copy.warehouse, published_copy.live
    (staging,) = (TableName("work", t) for t in warehouse.list_tables("work", "recommendation_candidates__"))
    rows = warehouse.read(staging)
    prices = pa.array([1.0, *rows["price"].to_pylist()[1:]])
    warehouse.load(staging, rows.set_column(rows.column_names.index("price"), "price", prices))
    printed = published_copy.gnn("publish", code=1)
    assert "PublishRefused" in printed
    assert "price_floor" in printed
    assert published_copy.live == before


def test_publish_by_hand_of_a_week_that_never_ran_says_so(published_copy):
    printed = published_copy.gnn("publish", "--week", "2026-02-16", code=1)
    assert "2026-02-16/raw_users does not exist" in printed


def test_simulating_another_store_into_the_same_folder_is_refused(simulated_copy):
    printed = simulated_copy.gnn("simulate", "tiny", "--seed", "18", code=1)
    assert "already holds another store" in printed


@pytest.mark.parametrize(
    ("week", "says"),
    [
        pytest.param("2026-02-24", "Monday", id="no Monday"),
        pytest.param("2024-01-01", "2025-09-01", id="before the store"),
        pytest.param("2026-03-02", "2026-02-23", id="after the store"),
        pytest.param("last week", "last week", id="no date"),
    ],
)
def test_run_refuses_a_week_that_is_none(simulated_copy, week, says):
    printed = simulated_copy.gnn("run", "--week", week, code=1)
    assert says in printed
    assert "Traceback" not in printed
    assert not simulated_copy.warehouse.list_tables("work")


@pytest.mark.slow
def test_a_second_run_of_the_same_week_publishes_the_same(published_copy):
    before, made = published_copy.live, versions(published_copy)
    published_copy.gnn("run")
    after = published_copy.live
    assert after.run_id != before.run_id
    assert after.digest == before.digest
    assert len(made) == 29
    # The first run had nothing to compare with, the second has what the first published.
    changed = {name for name, version in versions(published_copy).items() if version != made[name]}
    assert changed <= {"fitment_change_impact"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_fresh_process_publishes_the_same_on_one_thread_or_two(simulated_copy, published_store, threads):
    environment = {**os.environ, **simulated_copy.variables, "OMP_NUM_THREADS": threads}
    gnn = Path(sys.executable).with_name("gnn")
    done = subprocess.run([gnn, "run"], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert simulated_copy.live.digest == published_store.installation.live.digest
    assert versions(simulated_copy) == versions(published_store.installation)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_weeks_then_back_to_the_first(simulated_copy):
    simulated_copy.gnn("run", "--week", "2026-02-16")
    first = simulated_copy.live
    simulated_copy.gnn("run")
    second = simulated_copy.live
    assert second.digest != first.digest
    assert "warm start from 2026-02-16/gnn_checkpoint" in str(artifact(simulated_copy, "gnn_checkpoint").manifest.meta)
    simulated_copy.gnn("rollback")
    assert (simulated_copy.live.run_id, simulated_copy.live.digest) == (first.run_id, first.digest)
    assert simulated_copy.status()["published"]["run_id"] == first.run_id
    assert "not in the ledger" in simulated_copy.gnn("rollback", code=1)
    simulated_copy.gnn("rollback", "--to", second.run_id, code=0)
    assert simulated_copy.live.digest == second.digest
