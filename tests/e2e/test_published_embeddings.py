"""Vectors go live after the table of their own run, and only a promoted graph model's; a rollback takes them along."""

import datetime as dt

import pytest

from gnn_assets import models
from gnn_assets.assets.vectors import publish_vectors
from gnn_assets.definitions import build_defs
from gnn_assets.resources import Platform
from gnn_core.errors import PublishRefused
from gnn_core.io.artifacts import json_bytes
from gnn_core.program.offline import Frozen, refit
from gnn_core.publishing import embeddings
from gnn_core.training.checkpoint import to_bytes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WEEK = "2026-02-23"
AT = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)
PASSED = {"policy": "hybrid", "promoted": True, "alpha": 0.5, "reason": "The hybrid passed gate 1 and is promoted."}
FAILED = {"policy": "sql_v5.18", "promoted": False, "alpha": None, "reason": "Gate 1 says fail."}


@pytest.fixture
def store(published_copy):
    return published_copy


def week_of(store):
    return Platform.of(store.environment).week(WEEK)


def decide(store, decision):
    """The week as it is after gate 1 said so; a promoted graph is fitted as of the as-of date, without training."""
    week = week_of(store)
    files = {"decision.json": json_bytes(decision)}
    if decision["promoted"]:
        files["serving.safetensors"] = to_bytes(refit(week.snapshot(), Frozen(0), week.settings).to_checkpoint())
    promoted = week.read("promoted_model")
    files["selection.json"] = promoted.bytes("selection.json")
    week.write("promoted_model", files, inputs=[week.read("eval_report")], sections=models.GRAPH_SECTIONS)
    return week


def live(store):
    return embeddings.live_vectors(store.warehouse, store.settings)


def test_a_promoted_models_vectors_go_live_under_the_run_of_the_table(store):
    state, said = publish_vectors(decide(store, PASSED), AT)
    assert state == live(store)
    assert state.run_id == store.live.run_id
    assert state.week == dt.date.fromisoformat(WEEK)
    assert state.users == 2000
    assert state.audience < state.users
    assert "is live" in said
    again, _ = publish_vectors(week_of(store), AT + dt.timedelta(hours=1))
    assert again.digest == state.digest
    assert store.warehouse.row_count(embeddings.table_of(store.settings, "users")) == 2000


def test_without_a_pass_of_gate_1_nothing_is_published_and_the_last_vectors_stay(store):
    before, _ = publish_vectors(decide(store, PASSED), AT)
    state, said = publish_vectors(decide(store, FAILED), AT)
    assert state is None
    assert "Gate 1 says fail" in said
    assert live(store) == before


def test_vectors_wait_for_the_table_of_their_run(store):
    """The week was staged again and its audit refused it: the live table is another run's."""
    week = decide(store, PASSED)
    staged = week.read("recommendation_candidates").json("staged.json")
    week.write("recommendation_candidates", {"staged.json": json_bytes({**staged, "run_id": "another-run"})})
    with pytest.raises(PublishRefused, match="Vectors go live after the table of their own run"):
        publish_vectors(week, AT)
    assert live(store) is None


def test_a_publish_by_hand_brings_the_vectors_along(store):
    decide(store, PASSED)
    printed = store.gnn("publish")
    assert f"Embeddings: run {store.live.run_id} is live" in printed
    assert live(store).run_id == store.live.run_id


def test_a_rollback_takes_the_vectors_along_and_says_so_where_there_are_none(store):
    """Three runs of the table: without vectors, with its own, with its own again."""
    job = build_defs(store.environment).resolve_job_def("republish")
    runs = [store.live.run_id]
    decide(store, PASSED)
    for _ in range(2):
        result = job.execute_in_process(partition_key=WEEK)
        assert result.success
        publish_vectors(week_of(store), AT)
        runs.append(result.run_id)
    without, second, third = runs
    assert (live(store).run_id, store.live.run_id) == (third, third)
    assert f"Embeddings: run {second} is live" in store.gnn("rollback")
    assert (live(store).run_id, store.live.run_id) == (second, second)
    said = store.gnn("rollback")
    assert f"Embeddings: run {without} has none, no graph model was promoted then; those of run {second} stay" in said
    assert (live(store).run_id, store.live.run_id) == (second, without)
