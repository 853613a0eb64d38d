"""What the step rollout_stage does and leaves: who governs, and on what the platform moves by itself."""

import pytest

from gnn_assets.assets.rollout import served_since
from gnn_assets.assets.serving import publish_staged
from gnn_assets.cli.rollout import gate2_passed
from gnn_core.experiment.rollout import GREEN, HOLD, NO_DATA, RED, ROLLBACK, STEP, Stage
from gnn_core.experiment.rollout_ledger import read_moves
from gnn_core.io.artifacts import json_bytes
from gnn_core.publishing.schema import live_table
from gnn_core.publishing.shares import LiveShare, live_share
from gnn_core.publishing.state import read_ledger
from tests.assets.rollout_world import (
    all_guards_green,
    decided,
    interrupted,
    moment,
    move,
    plan_experiment,
    stage,
    started,
    week_of,
)
from tests.core.publishing.world import AT, as_table, good_rows
from tests.fixtures.ten_users import TEN_USERS

pytestmark = pytest.mark.slow

LAST_WEEK = "2026-05-18"


def _moves(store):
    return [(m.action, m.to_share) for m in read_moves(store.warehouse, store.settings)]


@pytest.mark.parametrize(
    ("start", "governs"), [("2026-05-25", False), ("2026-06-01", False), ("2026-06-08", True)],
    ids=["runs", "starts with this table", "is planned"],
)  # fmt: skip
def test_an_experiment_takes_over_on_its_start_and_not_when_it_is_planned(ten_users, start, governs):
    started(ten_users)
    plan_experiment(ten_users, start)
    stage = decided(ten_users)
    assert (stage["from_ledger"], stage["share"]) == (governs, 0.25)
    assert ("Experiment second runs" in stage["reason"]) is not governs


def test_the_platform_makes_no_move_of_a_rollout_that_does_not_govern(ten_users):
    started(ten_users)
    plan_experiment(ten_users, "2026-06-01")
    stage = decided(ten_users)
    assert (stage["action"], stage["guards"]) == (None, [])
    assert _moves(ten_users) == [("start", 0.25)]


def test_a_week_that_is_made_again_after_a_persons_hold_neither_fails_nor_moves(ten_users):
    started(ten_users)
    move(ten_users, 2, "2026-06-03", HOLD, 0.25, 0.25)
    assert decided(ten_users)["action"] is None
    assert len(_moves(ten_users)) == 2


def test_a_pass_of_another_experiment_starts_no_rollout(ten_users):
    week = week_of(ten_users)
    read = {"state": "read", "experiment": "first", "as_of": "2026-06-01", "verdict": {"verdict": "pass"}}
    week.write("experiment_readout", {"readout.json": json_bytes(read)})
    assert not gate2_passed(week.store, ten_users.settings.experiment)
    plan_experiment(ten_users, "2026-05-04")
    read["experiment"] = "second"
    week.write("experiment_readout", {"readout.json": json_bytes(read)})
    assert gate2_passed(week.store, ten_users.settings.experiment)
    plan_experiment(ten_users, "2026-06-01")  # planned again, and not read since
    assert not gate2_passed(week.store, ten_users.settings.experiment)


def _guard(stage, name):
    (found,) = [guard for guard in stage["guards"] if guard["name"] == name]
    return found


def test_an_interrupted_publish_is_completed_and_rolls_nothing_back(ten_users, monkeypatch):
    started(ten_users)
    week = interrupted(ten_users, 0.25, monkeypatch)
    found = decided(ten_users)
    assert (found["action"], _guard(found, "qa")["state"]) == (HOLD, GREEN)
    assert ten_users.live.recorded
    entries = read_ledger(ten_users.warehouse, ten_users.settings)
    assert [entry.run_id for entry in entries] == ["r1", "r2"]
    assert live_share(entries).share == 0.25
    # As if the step had ended: what a later week must know, and what the sensor makes again.
    assert week.store.read(week.key, "recommendations").json("published.json")["run_id"] == "r2"


def test_a_table_that_no_publish_put_there_still_rolls_back(ten_users):
    started(ten_users)
    rows = [row | {"final_score": row["final_score"] / 2} for row in good_rows("r9")]
    ten_users.warehouse.load(live_table(ten_users.settings), as_table(rows))
    found = decided(ten_users)
    assert (found["action"], _guard(found, "qa")["state"]) == (ROLLBACK, RED)
    assert "no publish put it there" in found["reason"]


# What a stage is judged by -------------------------------------------------------------------------------------------


def test_a_stage_that_nobody_was_served_does_not_go_on(ten_users):
    """Both groups got SQL: by the hash alone the clicks of the two groups compare well."""
    all_guards_green(ten_users)
    started(ten_users)
    found = decided(ten_users)
    assert (found["action"], found["share"]) == (HOLD, 0.25)
    assert _guard(found, "served share")["state"] == NO_DATA
    assert "made under none that is known" in _guard(found, "served share")["sentence"]
    assert _guard(found, "clicks")["state"] == NO_DATA


def test_a_stage_that_was_served_goes_on(ten_users):
    started(ten_users)
    publish_staged(stage(ten_users, 0.25), AT)
    all_guards_green(ten_users)
    found = decided(ten_users)
    assert {guard["name"]: guard["state"] for guard in found["guards"]} == dict.fromkeys(
        ("qa", "served share", "freshness", "embedding drift", "input drift", "coverage", "clicks"), GREEN
    )
    assert (found["action"], found["share"]) == (STEP, 0.5)


@pytest.mark.parametrize(
    ("share", "published", "stands_still", "since"),
    [
        (0.25, "2026-05-20T08:00", False, "2026-05-20T08:00"),
        (0.25, "2026-05-11T08:00", False, "2026-05-18T00:00"),
        (0.25, "2026-06-01T08:00", False, None),
        (0.25, "2026-11-27T08:00", True, "2026-05-18T00:00"),
        (0.1, "2026-05-20T08:00", False, None),
        (None, "2026-05-20T08:00", True, None),
    ],
    ids=["published late", "published before", "published after the reading", "a store whose time has stopped",
         "another share is live", "unknown"],
)  # fmt: skip
def test_a_stage_counts_from_its_first_publish(share, published, stands_still, since):
    now = moment("2026-06-01")
    found = served_since(
        Stage(0.25, moment("2026-05-18"), moment("2026-05-18"), held=False, rolled_back=False, sequence=1),
        LiveShare("r1", share, moment(published), rolled_back=False),
        now,
        stands_still=stands_still,
    )
    assert found == (moment(since) if since else None)


@pytest.mark.parametrize(
    ("drift_of", "breaks", "action", "drift"),
    [
        (TEN_USERS, (), STEP, GREEN),
        (LAST_WEEK, (), HOLD, NO_DATA),
        (LAST_WEEK, ("The item graph is lost.",), ROLLBACK, RED),
    ],
    ids=["this week's", "last week's", "last week's, and red"],
)
def test_drift_of_last_week_holds_a_stage_and_never_lets_it_go_on(ten_users, drift_of, breaks, action, drift):
    ten_users.profile({"store": {"name": "ten_users"}})  # whose time goes on, so that each week trains anew
    started(ten_users)
    publish_staged(stage(ten_users, 0.25), moment("2026-05-25T06:00"))
    all_guards_green(ten_users, drift_of=drift_of, breaks=breaks)
    found = decided(ten_users)
    assert (found["action"], _guard(found, "embedding drift")["state"]) == (action, drift)
    old = drift_of == LAST_WEEK
    assert _guard(found, "input drift")["state"] == (NO_DATA if old else GREEN)
    assert ("was not measured for week 2026-05-25" in _guard(found, "input drift")["sentence"]) is old
