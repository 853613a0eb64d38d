"""From an offline pass through experiment, gate 2 and rollout, by the command, on a simulated store."""

import datetime as dt
import json

import dagster as dg
import pytest

from gnn_assets.definitions import build_defs
from gnn_core.experiment.assigning import assignments_table
from gnn_core.experiment.rollout import Move
from gnn_core.experiment.rollout_ledger import append_move, read_moves
from gnn_core.publishing.schema import live_table, wide_view
from tests.fixtures.installation import QUICK, Installation

PASSES = {**QUICK, "evaluation": {"bootstrap_draws": 200, "confidence": 0.5}}
"""At so little confidence the tiny store's hybrid passes gate 1: there is a policy to experiment with."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def _query(store, sql, table):
    return store.warehouse.query(sql, tables={"t": table}).to_pylist()


def _served(store):
    """Users by source in the live table."""
    rows = _query(
        store, "SELECT source, COUNT(DISTINCT user_id) AS n FROM {t} GROUP BY source", live_table(store.settings)
    )
    return {row["source"]: row["n"] for row in rows}


@pytest.fixture(scope="module")
def assigned(tmp_path_factory):
    store = Installation.create(tmp_path_factory.mktemp("experiment") / "store", PASSES)
    store.gnn("simulate", "tiny")
    store.gnn("experiment", "start", "2026-03-02")
    printed = store.gnn("run")
    return store, printed


@pytest.fixture
def started(assigned, tmp_path):
    return assigned[0].copy(tmp_path / "store")


def test_late_data_leave_the_assignment_and_the_second_week_keeps_policy_and_arms(started):
    """The week of the start is made again; then a week whose own gate is not asked what the treatment gets."""
    artifacts = started.environment.artifacts(started.settings)
    before = _query(started, "SELECT * FROM {t} ORDER BY user_id", assignments_table(started.settings))
    first = artifacts.read("2026-02-23", "promoted_model").json("decision.json")
    started.change_source("user_attributes", lambda users: users.slice(1))
    started.gnn("run")
    assert _query(started, "SELECT * FROM {t} ORDER BY user_id", assignments_table(started.settings)) == before
    started.gnn("experiment", "play", "--click-rate", "0.08", "--lift", "0.5", "--weeks", "1")
    started.gnn("run")
    week = started.settings.store.last_week.isoformat()
    for key in ("2026-02-23", week):
        decision = artifacts.read(key, "promoted_model").json("decision.json")
        assert decision["reason"].startswith("Kept for experiment hybrid-1 since 2026-03-02: ")
        assert [decision[k] for k in ("policy", "promoted", "alpha")] == ["hybrid", True, first["alpha"]]
    rows = _query(
        started, "SELECT DISTINCT arm, STARTS_WITH(source, 'sql_') AS sql FROM {t} ORDER BY arm",
        live_table(started.settings),
    )  # fmt: skip
    assert [(r["arm"], r["sql"]) for r in rows] == [("control", True), ("treatment", False)]
    assert artifacts.read(week, "experiment_readout").json("readout.json")["verdict"]["invalid"] == []


def test_a_stopped_experiment_is_served_to_nobody_at_once(started):
    started.gnn("experiment", "stop", "--by", "Ada", "--reason", "treatment loses clicks")
    served = _served(started)
    assert served
    assert all(source.startswith("sql_") for source in served)
    arms = _query(started, "SELECT DISTINCT arm FROM {t}", live_table(started.settings))
    assert arms == [{"arm": None}]
    assert started.status()["published"]["source"].startswith("sql_")


def _play_and_read(store, lift):
    store.gnn("experiment", "play", "--click-rate", "0.08", "--lift", str(lift), "--weeks", "3")
    store.gnn("experiment", "read")
    week = store.settings.store.last_week.isoformat()
    readout = store.environment.artifacts(store.settings).read(week, "experiment_readout")
    return readout.json("readout.json")


def test_the_live_table_carries_each_users_arm_and_serves_it(assigned):
    store, printed = assigned
    rows = _query(
        store, "SELECT arm, source, COUNT(DISTINCT user_id) AS n FROM {t} GROUP BY arm, source ORDER BY arm",
        live_table(store.settings),
    )  # fmt: skip
    assert [(r["arm"], r["source"].startswith("sql_")) for r in rows] == [("control", True), ("treatment", False)]
    wide = _query(store, "SELECT COUNT(DISTINCT arm) AS n FROM {t}", wide_view(store.settings))
    assert wide == [{"n": 2}]
    table = _query(store, "SELECT COUNT(*) AS n, COUNTIF(eligible) AS e FROM {t}", assignments_table(store.settings))
    assert table[0]["n"] == 2_000
    assert 0 < table[0]["e"] < 2_000
    assert "too likely to end without an answer" in printed


def test_a_day_in_mid_week_is_read_and_leaves_the_weeks_artifacts_and_tables_alone(started):
    started.gnn("experiment", "play", "--click-rate", "0.08", "--lift", "-0.9", "--weeks", "3")
    artifacts = started.environment.artifacts(started.settings)
    weeks, tables = artifacts.weeks(), started.warehouse.list_tables("work")
    watch = build_defs(started.environment).resolve_job_def("watch")
    red = {}
    for day in ("2026-03-08", "2026-03-11"):
        result = watch.execute_in_process(partition_key=day)
        red[day] = {e.check_name for e in result.get_asset_check_evaluations() if not e.passed}
    sunday, wednesday = (artifacts.read(f"day-{day}", "daily_readout").json("readout.json") for day in red)
    assert sunday["state"] == "the weekly run of 2026-03-02 reads this day"
    assert (wednesday["state"], wednesday["looks"][-1]["day"]) == ("read", 10)
    assert "nobody_is_harmed" in red["2026-03-11"]
    assert "nobody_is_harmed" not in red["2026-03-08"]
    assert started.warehouse.list_tables("work") == tables
    assert artifacts.weeks() == sorted([*weeks, "day-2026-03-08", "day-2026-03-11"])


def test_every_week_is_watched_and_the_status_says_where_the_program_stands(assigned):
    store, _ = assigned
    artifacts = store.environment.artifacts(store.settings)
    shadow = artifacts.read("2026-02-23", "shadow_comparison").json("shadow.json")
    assert shadow["state"] == "compared"
    assert shadow["users_both"] == 2_000
    assert 0 < shadow["overlap"] < 1
    metrics = artifacts.read("2026-02-23", "serving_metrics").json("metrics.json")
    assert metrics["cold_coverage"] == 1.0
    assert set(metrics["users_by_source"]) == {"hybrid", shadow["baseline"]}
    month = artifacts.read("2026-02-23", "cost_ledger").json("month.json")
    assert "gnn_checkpoint" in month["by_asset"]
    assert month["usd"] > 0
    program = store.status()["program"]
    assert program["phase"] == "2 experiment"
    assert program["cold_share"] == metrics["cold_share"]
    assert "starts on 2026-03-02" in program["next_decision"]


def test_a_lift_passes_then_a_tenth_is_served_then_harm_rolls_it_back_by_itself(started):
    store = started
    readout = _play_and_read(store, 1.0)
    assert readout["verdict"]["verdict"] == "pass", readout["verdict"]["reason"]
    assert "start the rollout" in store.status()["program"]["next_decision"]
    store.gnn("rollout", "start", "--by", "Ada", "--reason", "gate 2 passed")
    served = _served(store)
    hybrid = sum(n for source, n in served.items() if not source.startswith("sql_"))
    assert 0.07 < hybrid / sum(served.values()) < 0.13
    assert "it runs already" in store.gnn("rollout", "start", "--by", "Ada", "--reason", "again", code=1)
    store.gnn("experiment", "play", "--click-rate", "0.1", "--lift", "-1.0", "--weeks", "3")
    said = store.gnn("experiment", "read")
    assert "Rolled back to SQL: Customers click less than under SQL" in said
    assert all(source.startswith("sql_") for source in _served(store))
    program = store.status()["program"]
    assert [row["signal"] for row in program["stops"] if row["applies"]] == ["CTR regression in the rollout"]
    shown = store.gnn("rollout", "show")
    assert "Ada" in shown
    assert "rollback" in shown
    assert "rolled back and stays so" in store.gnn("rollout", "step", "--by", "Ada", "--reason", "x", code=1)


@pytest.mark.parametrize(
    ("lift", "verdicts"), [(0.0, ("fail", "inconclusive")), (-0.6, ("fail",))], ids=["null", "harm"]
)
def test_a_planted_null_or_harm_does_not_pass_and_starts_no_rollout(started, lift, verdicts):
    readout = _play_and_read(started, lift)
    assert readout["verdict"]["verdict"] in verdicts, readout["verdict"]["reason"]
    said = started.gnn("rollout", "start", "--by", "Ada", "--reason", "hope", code=1)
    assert "gate 2 has not passed" in said
    assert json.dumps(readout, allow_nan=False)


def test_a_step_that_a_person_launches_in_the_page_is_served_without_waiting_for_monday(started):
    """The job `experiment` with the launchpad's configuration moves the ledger; the sensor has the table follow."""
    store, at = started, dt.datetime(2026, 3, 3, tzinfo=dt.UTC)  # the day after the experiment began
    settings = store.settings
    append_move(
        store.warehouse, settings, Move(1, at, "start", 0.0, settings.rollout.stages[0], "Ada", "gate 2 passed")
    )
    store.gnn("experiment", "play", "--click-rate", "0.08", "--lift", "0.5", "--weeks", "1")
    week = store.settings.store.last_week.isoformat()
    definitions = build_defs(store.environment)
    move = {"action": "step", "by": "Ada", "reason": "the tenth is calm"}
    moved = definitions.resolve_job_def("experiment").execute_in_process(
        partition_key=week, run_config={"ops": {"rollout_stage": {"config": move}}}
    )
    assert moved.success
    assert [m.to_share for m in read_moves(store.warehouse, settings)] == list(settings.rollout.stages[:2])

    def asked():
        sensor = next(s for s in definitions.sensors if s.name == "rollout_is_published")
        with dg.DagsterInstance.ephemeral() as instance:
            return sensor.evaluate_tick(
                dg.build_sensor_context(instance=instance, repository_def=definitions.get_repository_def())
            )

    tick = asked()
    assert tick.run_requests, tick.skip_message
    (request,) = tick.run_requests
    assert request.partition_key == "2026-02-23"
    followed = definitions.resolve_job_def("republish").execute_in_process(partition_key=request.partition_key)
    assert followed.success
    served = _served(store)
    hybrid = sum(n for source, n in served.items() if not source.startswith("sql_"))
    assert hybrid / sum(served.values()) == pytest.approx(settings.rollout.stages[1], abs=0.03)
    assert "was made under this share" in asked().skip_message
    assert len(read_moves(store.warehouse, settings)) == 2
