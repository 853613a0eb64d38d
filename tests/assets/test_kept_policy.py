"""While an experiment runs, its policy stays what it was at the start; where it did not, the readout says so."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from gnn_assets import fitting, models
from gnn_assets.assets.experiment import read_week
from gnn_assets.checks.daily import harms_nobody
from gnn_assets.promotion import EXPERIMENT, promotion_of, served, why_diluted
from gnn_core.errors import ArtifactError
from gnn_core.evaluation.gate import GateVerdict
from gnn_core.evaluation.lift_rule import FAIL, PASS
from gnn_core.experiment.assigning import keep_assignments
from gnn_core.experiment.power import plan_experiment
from gnn_core.experiment.readout import read_experiment
from gnn_core.io.artifacts import ArtifactStore, json_bytes
from gnn_core.io.duckdb import DuckDbWarehouse
from tests.core.evaluation.made_up import selection
from tests.core.experiment.experiment_world import at, engagements, orders, outcomes_of, sends, settings, window
from tests.core.experiment.test_assigning import IDS, rows
from tests.core.publishing.world import contract_tables, make_settings

SETTINGS = make_settings(experiment={"start": "2026-06-01"})
START, SECOND, AFTER = "2026-05-25", "2026-06-01", "2026-06-08"
"""Weeks whose as-of dates are the experiment's start, a week later, and its planned end."""


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path, SETTINGS)


def week_of(store, key):
    return SimpleNamespace(
        key=key,
        settings=SETTINGS,
        store=store,
        read=lambda name: store.read(key, name),
        write=lambda name, files, **more: store.write(key, name, files, **more),
    )


def judged(store, key, verdict, **chosen):
    """The week with a report of gate 1 on its candidate."""
    chosen = selection(**chosen)
    said = GateVerdict(
        verdict, "", chosen.candidate, "sql_v5.18", 0.05, 0.1, 0.02, 0.2, False, 0.95, 0.2, 0.18, 1400, 420, 0.01, ()
    )
    report = {"selection": chosen.as_json(), "decision": said.as_json()}
    store.write(key, "eval_report", {"report.json": json_bytes(report)})
    return week_of(store, key)


def promote(store, key, verdict, **chosen):
    """The week with its promoted_model; of the smoother, which needs no training."""
    return fitting.fit_served(judged(store, key, verdict, candidate="smoother", **chosen))


def assign(store, key, state="assigned"):
    """What treatment_assignments keeps of the week."""
    now = served(store.read(key, "promoted_model"))
    content = {"state": state, **(now if state == "assigned" else {}), "served": now}
    plan = plan_experiment(0.0066, 14, 1000, 1000, SETTINGS.experiment)
    files = {"state.json": json_bytes(content), "plan.json": json_bytes(plan.as_json())}
    store.write(key, "treatment_assignments", files)


def test_a_gate_that_no_longer_passes_leaves_the_experiments_policy(store):
    promote(store, START, PASS)
    assign(store, START)
    made = promote(store, SECOND, FAIL)
    decision = made.json("decision.json")
    assert (decision["policy"], decision["promoted"]) == ("smoother", True)
    assert decision["reason"].startswith("Kept for experiment hybrid-1 since 2026-06-01: ")
    assert "Gate 1 says fail" in decision["reason"]
    own = made.json(EXPERIMENT)["own"]
    assert (own["policy"], own["promoted"]) == ("sql_v5.18", False)


def test_the_weight_and_the_sql_version_of_the_start_are_served(store):
    first = promotion_of(judged(store, START, PASS, alpha=0.2))
    files = {
        "decision.json": json_bytes(first.decision.as_json()),
        "selection.json": json_bytes(first.selection.as_json()),
    }
    store.write(START, "promoted_model", files)
    second = judged(store, SECOND, PASS, alpha=0.6, baseline="sql_v5.17")
    kept = promotion_of(second)
    assert (kept.decision.alpha, kept.own.alpha) == (0.2, 0.6)
    assert kept.selection == first.selection
    assert "the hybrid at α = 0.2 goes on" in kept.decision.reason
    assert models.needs_graph(judged(store, SECOND, FAIL, alpha=0.6))


def test_when_the_experiment_is_over_the_gate_decides_again(store):
    promote(store, START, PASS)
    made = promote(store, AFTER, FAIL)
    assert made.json("decision.json")["promoted"] is False
    assert EXPERIMENT not in made.manifest.files


def test_the_start_decides_until_the_arms_are_assigned_and_not_again_after(store):
    promote(store, START, FAIL)
    assert promote(store, START, PASS).json("decision.json")["promoted"] is True
    assign(store, START)
    made = promote(store, START, FAIL)
    assert made.json("decision.json")["promoted"] is True
    assert made.json("decision.json")["reason"].startswith("Kept for experiment hybrid-1 since 2026-06-01: ")


def test_a_policy_that_cannot_be_kept_is_a_reason_against_the_readout(store):
    made = promote(store, SECOND, PASS)
    assert "2026-05-25/promoted_model does not exist" in made.json(EXPERIMENT)["not_kept"]
    promote(store, START, PASS)
    assign(store, START)
    store.write(SECOND, "promoted_model", {f: made.bytes(f) for f in made.manifest.files})
    assign(store, SECOND, "starts elsewhere")
    (reason,) = why_diluted(week_of(store, SECOND))
    assert reason.startswith("from 2026-06-08 on the policy of the start could not be kept: ")


def test_a_treatment_that_was_served_something_else_is_named(store):
    promote(store, START, PASS)
    assign(store, START)
    assert why_diluted(week_of(store, SECOND)) == []  # the second week was not made: the first one's table stayed
    promote(store, SECOND, PASS)
    assign(store, SECOND, "starts elsewhere")
    assert why_diluted(week_of(store, SECOND)) == []
    other = dataclasses.asdict(promotion_of(judged(store, AFTER, FAIL)).decision)
    files = {"decision.json": json_bytes(other), "selection.json": json_bytes(selection().as_json())}
    store.write(SECOND, "promoted_model", files)
    assign(store, SECOND, "starts elsewhere")
    said = ["from 2026-06-08 on the treatment was served SQL v5.18 instead of the smoother"]
    assert why_diluted(week_of(store, SECOND)) == said
    assert why_diluted(week_of(store, AFTER)) == said


def test_an_assignment_that_is_lost_is_a_reason_too(store):
    (reason,) = why_diluted(week_of(store, SECOND))
    assert "not known" in reason
    with pytest.raises(ArtifactError):
        store.read(START, "treatment_assignments")


def test_gate_2_is_not_passed_on_a_diluted_treatment(store):
    promote(store, START, PASS)
    assign(store, START)
    files = {"decision.json": json_bytes({"policy": "sql_v5.18", "promoted": False, "alpha": None, "reason": "x"}),
             "selection.json": json_bytes(selection().as_json())}  # fmt: skip
    store.write(SECOND, "promoted_model", files)
    assign(store, SECOND, "starts elsewhere")
    warehouse = DuckDbWarehouse(":memory:", SETTINGS.warehouse)
    keep_assignments(warehouse, SETTINGS, rows(IDS))
    tables = {"sends": sends(), "engagements": engagements(), "events": orders(), "users": contract_tables()["users"]}
    week = week_of(store, "2026-06-15")
    week.warehouse = warehouse
    week.frames = lambda *names: {name: tables[name] for name in names}
    verdict = read_week(week)[0].verdict
    assert verdict.verdict == "inconclusive"
    assert "the treatment was served SQL v5.18 instead of the smoother" in verdict.invalid[0]


def test_harm_is_told_though_the_arms_cannot_be_compared():
    days = (np.repeat(np.arange(14), 50), np.repeat(np.arange(14), 25))
    outcomes = outcomes_of((50_000, 50_000), (700, 350), click_days=days)
    said = {}
    for invalid in ([], ["from 2026-03-09 on the treatment was served SQL"]):
        readout = read_experiment(outcomes, window(at(9)), settings(), eta=1e-4, invalid=invalid).as_json()
        passed, said[bool(invalid)] = harms_nobody(readout)
        assert not passed
    assert "shows harm, whatever the arms are worth. inconclusive: The arms cannot be compared" in said[True]
    assert said[False].startswith("fail: ")
    assert harms_nobody({"state": "no experiment is planned"}) == (True, "no experiment is planned")
