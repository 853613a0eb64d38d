"""`gnn experiment start` and `stop`, and what `gnn publish` does with a table whose experiment was ended since."""

import datetime as dt
import os

import pytest
import yaml

from gnn_assets.assets import drift
from gnn_assets.assets.candidates import SECTIONS
from gnn_assets.cli import weekly
from gnn_assets.resources import Platform
from gnn_core.contracts import CONTRACTS
from gnn_core.experiment.rollout import ROLLBACK, START, Move
from gnn_core.experiment.rollout_ledger import append_move, read_moves
from gnn_core.io.artifacts import json_bytes
from gnn_core.publishing.digest import table_digest
from tests.core.publishing.world import RUNNING, good_rows, in_arms, load_directly
from tests.fixtures.installation import Installation
from tests.fixtures.ten_users import PROFILE, TEN_USERS


def stage_week(made, rows):
    """Rows of run r2 as a weekly run stages them under the present settings; no graph model is promoted."""
    store = made.environment.artifacts(made.settings)
    tables = [store.write(TEN_USERS, f"raw_{name}", {}, sections=("eligibility",)) for name in CONTRACTS]
    table = load_directly(made.warehouse, "recommendation_candidates__r2", rows)
    found = {"table": str(table), "digest": table_digest(made.warehouse, table), "run_id": "r2", "ledger_share": None}
    staged = {"staged.json": json_bytes(found)}
    store.write(TEN_USERS, "recommendation_candidates", staged, inputs=tables, sections=SECTIONS)
    decision = {"policy": "sql_v5.18", "promoted": False, "alpha": None, "reason": "SQL is published."}
    store.write(TEN_USERS, "promoted_model", {"decision.json": json_bytes(decision)}, inputs=tables)


def test_a_table_of_an_experiment_that_was_ended_since_is_not_published_again(ten_users):
    ten_users.profile({**PROFILE, **RUNNING})
    stage_week(ten_users, in_arms(good_rows("r2")))
    ten_users.gnn("publish", "--week", TEN_USERS)
    assert ten_users.live.run_id == "r2"
    ten_users.profile(PROFILE)
    said = ten_users.gnn("publish", "--week", TEN_USERS, code=1)
    assert "made with other settings in section(s)" in said
    assert "experiment" in said


@pytest.mark.slow
def test_drift_keeps_its_reference_when_an_experiment_ends(ten_users):
    ten_users.profile({**PROFILE, **RUNNING})
    stage_week(ten_users, in_arms(good_rows("r2")))
    ten_users.gnn("publish", "--week", TEN_USERS)
    store = ten_users.environment.artifacts(ten_users.settings)
    store.write(TEN_USERS, "recommendations", {"published.json": json_bytes({"run_id": "r2"})})
    model = store.write(TEN_USERS, "promoted_model", {"products.parquet": b""})
    ten_users.profile(PROFILE)
    found = drift._published_before(Platform.of(ten_users.environment).week("2026-06-01"))
    assert found is not None
    assert found.version == model.version


def test_a_publish_that_moves_nothing_says_so(ten_users):
    stage_week(ten_users, good_rows("r2"))
    assert "Published serving.recommendations: run r2" in ten_users.gnn("publish", "--week", TEN_USERS)
    again = ten_users.gnn("publish", "--week", TEN_USERS)
    assert "was live already, nothing moved" in again
    assert "Published" not in again


def test_stop_ends_the_experiment_and_publishes_the_newest_week_again(ten_users, monkeypatch):
    ten_users.profile({**PROFILE, **RUNNING, "serving": {"hybrid_share": 1.0}})
    stage_week(ten_users, in_arms(good_rows("r2")))
    went_live = {"published.json": json_bytes({"run_id": "r2"})}
    ten_users.environment.artifacts(ten_users.settings).write(TEN_USERS, "recommendations", went_live)
    asked = []
    monkeypatch.setattr(weekly, "run_job", lambda job, week, console: asked.append((job, str(week))) or True)
    said = ten_users.gnn("experiment", "stop", "--by", "Ada", "--reason", "treatment loses clicks")
    assert "is stopped, by Ada: treatment loses clicks" in said
    assert asked == [("republish", TEN_USERS)]
    # Without an experiment the share decides: what harmed the treatment must not reach everybody.
    assert (ten_users.settings.experiment.start, ten_users.settings.serving.hybrid_share) == (None, 0.0)
    kept = ten_users.environment.artifacts(ten_users.settings).read(TEN_USERS, "experiment_stopped")
    assert kept.json("stopped.json")["by"] == "Ada"
    again = ten_users.gnn("experiment", "stop", "--by", "Ada", "--reason", "again", code=1)
    assert "none to stop" in again


@pytest.mark.slow
def test_stop_rolls_an_earlier_rollout_back_whose_share_would_hold_again(ten_users, monkeypatch):
    ten_users.profile({**PROFILE, **RUNNING})
    stage_week(ten_users, in_arms(good_rows("r2")))
    before = Move(1, dt.datetime(2026, 5, 4, tzinfo=dt.UTC), START, 0.0, 0.1, "Ada", "gate 2 passed")
    append_move(ten_users.warehouse, ten_users.settings, before)
    monkeypatch.setattr(weekly, "run_job", lambda job, week, console: True)
    ten_users.gnn("experiment", "stop", "--by", "Grace", "--reason", "treatment loses clicks")
    last = read_moves(ten_users.warehouse, ten_users.settings)[-1]
    assert (last.action, last.to_share, last.by) == (ROLLBACK, 0.0, "Grace")


@pytest.mark.slow
def test_stop_leaves_a_rollout_alone_that_followed_the_experiment(ten_users):
    ten_users.profile({**PROFILE, "experiment": {"start": "2026-05-04"}})
    after = Move(1, dt.datetime(2026, 5, 25, tzinfo=dt.UTC), START, 0.0, 0.1, "Ada", "gate 2 passed")
    append_move(ten_users.warehouse, ten_users.settings, after)
    said = ten_users.gnn("experiment", "stop", "--by", "Grace", "--reason", "tidy up", code=1)
    assert "is over: a rollout has followed it" in said
    assert str(ten_users.settings.experiment.start) == "2026-05-04"
    assert len(read_moves(ten_users.warehouse, ten_users.settings)) == 1


def test_stop_names_who_and_why(ten_users):
    ten_users.profile({**PROFILE, **RUNNING})
    assert "give --by and --reason" in ten_users.gnn("experiment", "stop", "--by", " ", "--reason", "x", code=1)
    assert str(ten_users.settings.experiment.start) == "2026-06-01"


@pytest.fixture
def in_the_cloud(tmp_path):
    """An installation as in production: its settings stand in the configuration, and there is no profile."""
    cloud = {"warehouse": {"engine": "bigquery", "project": "somewhere"}}
    return Installation.create(tmp_path / "cloud", cloud)


def test_in_production_the_configuration_plans_and_ends_an_experiment(in_the_cloud):
    made = in_the_cloud
    page = os.path.join("configs", "local.yaml")
    said = made.gnn("experiment", "start", "2026-06-01", code=1)
    assert "gnn simulate" not in said
    assert "set experiment.name, experiment.salt and experiment.start: 2026-06-01 in" in said
    assert page in said
    assert "before the weekly run of 2026-05-25" in said
    assert page in made.gnn("experiment", "read", code=1)
    made.overlay({**yaml.safe_load((made.root / page).read_text()), **RUNNING})
    said = made.gnn("experiment", "stop", "--by", "Ada", "--reason", "harm", code=1)
    assert "set experiment.start: null and serving.hybrid_share: 0 in" in said
    assert "job republish" in said


def test_without_a_store_of_this_machine_one_is_asked_for(tmp_path):
    made = Installation.create(tmp_path / "empty")
    assert "gnn simulate small" in made.gnn("experiment", "start", "2026-06-01", code=1)
