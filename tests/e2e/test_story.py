"""`gnn demo` on the tiny store: how far each planted truth gets, and that it ends where the gates say."""

import io

import pytest
from rich.console import Console

from gnn_assets.cli import story
from gnn_core.experiment.rollout_ledger import read_moves
from gnn_core.publishing.schema import live_table
from tests.fixtures.installation import QUICK, Installation

PASSES = {
    **QUICK,
    # At so little confidence the tiny store's hybrid passes gate 1: there is a policy to experiment with.
    "evaluation": {"bootstrap_draws": 200, "confidence": 0.5},
    # A few dozen users a week show no smaller change of their inputs.
    "monitoring": {"psi_warn": 2.0, "psi_alarm": 20.0},
}


def _tell(store, name, monkeypatch):
    """Go on from the published week; what was printed, with single spaces."""
    for variable, value in store.variables.items():
        monkeypatch.setenv(variable, value)
    console = Console(file=io.StringIO(), width=200)
    assert story.go_on(story.STORIES[name], story.CUSTOMERS["tiny"], console) == 0
    return " ".join(console.file.getvalue().split())


def _served(store):
    rows = store.warehouse.query(
        "SELECT source, COUNT(DISTINCT user_id) AS n FROM {t} GROUP BY source", tables={"t": live_table(store.settings)}
    )
    found = {row["source"]: row["n"] for row in rows.to_pylist()}
    return sum(n for source, n in found.items() if not source.startswith("sql_")) / sum(found.values())


def _moves(store):
    return [(m.action, m.to_share) for m in read_moves(store.warehouse, store.settings)]


def _page(store, name):
    with open(store.status()["pages"][name]) as file:
        return file.read()


def test_without_a_pass_at_gate_1_nothing_goes_on_and_it_says_so(published_copy, monkeypatch):
    assert not published_copy.status()["promoted"]["promoted"]
    said = _tell(published_copy, "lift", monkeypatch)
    assert "Nothing goes on" in said
    assert "Without a pass at gate 1 there is no experiment and no rollout" in said
    assert _moves(published_copy) == []
    assert _served(published_copy) == 0
    assert "Gate 1 has not passed" in _page(published_copy, "Program")


@pytest.fixture(scope="module")
def assigned(tmp_path_factory):
    store = Installation.create(tmp_path_factory.mktemp("story") / "store", PASSES)
    store.gnn("simulate", "tiny")
    store.gnn("experiment", "start", story.START)
    store.gnn("run")
    return store


@pytest.fixture
def store(assigned, tmp_path):
    return assigned.copy(tmp_path / "store")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_lift_goes_through_gate_2_and_up_the_first_stages(store, monkeypatch):
    said = _tell(store, "lift", monkeypatch)
    assert "no rule(s) broken in either table" in said
    assert "Gate 2: PASS" in said
    assert _moves(store) == [("start", 0.1), ("step", 0.25), ("step", 0.5)]
    assert _served(store) == pytest.approx(0.5, abs=0.05)
    program = store.status()["program"]
    assert program["phase"] == "3 rollout"
    assert program["served"] == "hybrid to 50% of the users, SQL to the others"
    page = _page(store, "Program")
    assert "Hybrid to 50% of the users" in page
    assert "Every guard" in page or "with every guard green" in page
    assert "Gate 2: Pass" in _page(store, "Experiment")
    assert "both tables keep every rule" in _page(store, "Shadow")
    assert "Learnings" not in store.status()["pages"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "verdicts"), [("null", ("FAIL", "INCONCLUSIVE")), ("harm", ("FAIL",))])
def test_a_null_or_a_harm_ends_at_gate_2(store, monkeypatch, name, verdicts):
    said = _tell(store, name, monkeypatch)
    assert any(f"Gate 2: {verdict}" in said for verdict in verdicts)
    assert "Gate 2 has not passed: nothing is rolled out." in said
    assert _moves(store) == []
    status = store.status()
    gate2 = status["program"]["gates"][2]
    assert gate2["verdict"] in [v.lower() for v in verdicts]
    if gate2["verdict"] == "fail":
        assert "2B" in status["program"]["next_decision"]
        assert "gate 2, experiment failed." in _page(store, "Learnings")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_regression_in_the_rollout_is_rolled_back_by_itself(store, monkeypatch):
    said = _tell(store, "regression", monkeypatch)
    assert "Gate 2: PASS" in said
    assert _moves(store) == [("start", 0.1), ("rollback", 0.0)]
    assert "Rolled back to SQL: Customers click less than under SQL" in said
    assert _served(store) == 0
    lit = [stop["signal"] for stop in store.status()["program"]["stops"] if stop["applies"]]
    assert lit == ["CTR regression in the rollout"]
    told = _page(store, "Learnings")
    assert "**CTR regression in the rollout.**" in told
    assert "| rollback | 10% → 0% | platform |" in told


def test_a_story_that_does_not_exist_and_a_store_that_cannot_be_played_are_refused(tmp_path):
    store = Installation.create(tmp_path / "store")
    assert "there are lift, null, harm, regression" in store.gnn("demo", "--story", "luck", code=1)
    assert "stories are played on tiny, trial, small" in store.gnn("demo", "--size", "full", code=1)
    assert not store.environment.profile_path.exists()
