"""New data are refreshed when they are complete, once, whatever restarts in between; and what is stale is seen."""

import datetime as dt
from dataclasses import replace

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from gnn_assets.arrivals import RunOfWeek, State, decide, last_day_has_events, read_marks
from gnn_assets.definitions import build_defs
from gnn_core.errors import WarehouseBusyError
from gnn_core.io.untracked import UntrackedRowsError
from gnn_core.monitoring.freshness import input_freshness, published_freshness
from tests.fixtures.installation import Installation

pytestmark = pytest.mark.slow

T0 = dt.datetime(2026, 3, 2, 0, 10, tzinfo=dt.UTC)
AS_OF = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
WEEK, SETTLE = "2026-02-23", dt.timedelta(minutes=45)
MARKS = {"events": "e1", "catalogue": "c1"}


def look(state, minutes, marks=MARKS, *, week=WEEK, reaches_end=True, runs=()):
    """A look so many minutes after T0, with the cursor as Dagster would keep it."""
    kept = State.from_cursor(state.as_cursor()) if state else State()
    now = T0 + dt.timedelta(minutes=minutes)
    return decide(kept, week, marks, reaches_end=reaches_end, runs=runs, now=now, settle=SETTLE)


def looks(*steps):
    """Run keys of a sequence of looks, given as (minutes, changes)."""
    state, keys = None, []
    for minutes, changes in steps:
        decision = look(state, minutes, **changes)
        state = decision.state
        keys.append(decision.run_key)
    return keys


def test_complete_data_start_one_run_after_the_settle_time_and_no_other():
    keys = looks((0, {}), (30, {}), (45, {}), (55, {}), (600, {}))
    assert [k is not None for k in keys] == [False, False, True, False, False]
    assert keys[2].startswith(f"data-{WEEK}-")


def test_data_that_arrive_in_pieces_start_one_run_after_the_last_piece():
    pieces = [(m, {"marks": MARKS | {"events": f"e{m // 20}"}}) for m in range(0, 121, 20)]
    still = {"marks": MARKS | {"events": "e6"}}
    assert looks(*pieces, (150, still), (165, still), (180, still))[-3:] == [
        None,
        looks(*pieces, (165, still))[-1],
        None,
    ]
    assert not any(looks(*pieces, (150, still)))


def test_late_data_start_a_second_run_with_a_name_of_its_own():
    late = {"marks": MARKS | {"events": "late"}}
    keys = looks((0, {}), (45, {}), (100, late), (145, late), (200, late))
    assert [k is not None for k in keys] == [False, True, False, True, False]
    assert keys[1] != keys[3]


def test_a_cursor_lost_after_the_run_was_asked_for_asks_for_the_same_run():
    before = look(None, 0).state
    assert look(before, 45).run_key == look(before, 46).run_key


def test_a_new_week_is_new_data_even_where_no_mark_has_moved():
    keys = looks((0, {}), (45, {}), (60, {"week": "2026-03-02"}), (105, {"week": "2026-03-02"}))
    assert keys[3].startswith("data-2026-03-02-")


def test_nothing_runs_before_the_week_reaches_its_end_or_while_a_table_is_missing():
    gone = {"marks": MARKS | {"catalogue": "missing"}}
    assert not any(looks((0, {"reaches_end": False}), (600, {"reaches_end": False})))
    assert not any(looks((0, gone), (600, gone)))
    assert "its last day has no event" in look(look(None, 0).state, 60, reaches_end=False).words


def run(minutes):
    return RunOfWeek("0" * 36, T0 + dt.timedelta(minutes=minutes))


def test_a_run_that_somebody_started_after_the_last_change_has_read_it_even_if_it_failed():
    state = look(None, 0).state
    assert look(state, 45, runs=[run(10)]).run_key is None
    assert look(state, 45, runs=[run(10)]).state.done == state.digest
    assert look(state, 45, runs=[run(-10)]).run_key is not None, "that one has read older data"


def test_the_first_look_at_a_week_that_was_made_takes_it_for_made_and_notices_the_next_change():
    first = look(None, 0, runs=[run(-500)])
    assert look(first.state, 600, runs=[run(-500)]).run_key is None
    late = MARKS | {"events": "late"}
    changed = look(first.state, 700, late, runs=[run(-500)]).state
    assert look(changed, 745, late, runs=[run(-500)]).run_key is not None


# On a store ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded_once(tmp_path_factory):
    """Source tables of a few rows; the events reach the week's last day. Not to be changed: take `store`."""
    made = Installation.create(tmp_path_factory.mktemp("arrivals") / "store")
    made.profile({"store": {"name": "hand", "last_week": WEEK}})
    made.warehouse.ensure_dataset("source")
    moments = ["2026-02-27T10:00", "2026-03-01T23:00", "2026-03-03T08:00"]
    for name, column in (
        ("user_attributes", "update_timestamp"),
        ("events", "client_event_timestamp"),
        ("treatment_sends", "treatment_sent_timestamp"),
        ("treatment_engagements", "interaction_timestamp"),
    ):
        made.warehouse.load(made.source(name), rows(column, moments))
    for name in ("historical_orders", "vehicle_fitment", "product_catalogue"):
        made.warehouse.load(made.source(name), pa.table({"PartNumber": ["P1", "P2"]}))
    return made


@pytest.fixture
def store(loaded_once, tmp_path):
    """Those tables, to change at will."""
    return loaded_once.copy(tmp_path / "store")


def rows(column, moments):
    stamps = pa.array(pd.to_datetime(moments, utc=True), pa.timestamp("us", tz="UTC"))
    return pa.table({"user_id": [f"u{i}" for i in range(len(moments))], column: stamps})


def marks(store):
    return read_marks(store.warehouse, store.settings, AS_OF)


def moved(store, before):
    return {key for key, mark in marks(store).items() if before[key] != mark}


def test_late_rows_move_the_mark_and_rows_of_the_next_week_do_not(store):
    before = marks(store)
    add = lambda name, column, moment: store.warehouse.load(  # noqa: E731
        store.source(name), rows(column, [moment]), replace=False
    )
    add("events", "client_event_timestamp", "2026-03-02T00:00")
    add("treatment_sends", "treatment_sent_timestamp", "2026-03-04T00:00")
    assert moved(store, before) == set()
    add("events", "client_event_timestamp", "2026-01-05T00:00")
    assert moved(store, before) == {"events"}


def test_a_changed_row_and_a_row_exchanged_for_another_move_the_mark_though_their_number_is_the_same(store):
    before = marks(store)
    store.warehouse.load(store.source("product_catalogue"), pa.table({"PartNumber": ["P2", "P1"]}))
    assert moved(store, before) == set(), "an order of rows is no change"
    store.warehouse.load(store.source("product_catalogue"), pa.table({"PartNumber": ["P1", "P3"]}))
    store.warehouse.load(store.source("vehicle_fitment"), pa.table({"PartNumber": ["P1", "P1"]}))
    assert moved(store, before) == {"catalogue", "fitment"}


def test_a_table_that_is_missing_is_named(store):
    store.warehouse.drop(store.source("product_catalogue"))
    assert marks(store)["catalogue"] == "missing"


def test_the_last_day_is_the_day_before_the_as_of_date(store):
    assert last_day_has_events(store.warehouse, store.settings, AS_OF)
    early = rows("client_event_timestamp", ["2026-02-28T23:59", "2026-03-02T00:00"])
    store.warehouse.load(store.source("events"), early)
    assert not last_day_has_events(store.warehouse, store.settings, AS_OF)


def ask(definitions, instance, cursor):
    (sensor,) = (s for s in definitions.sensors if s.name == "new_data_are_refreshed")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=definitions.get_repository_def())
    return sensor.evaluate_tick(context)


def test_the_sensor_asks_once_for_a_complete_state_and_again_for_the_next(store):
    store.overlay({"arrivals": {"settle_minutes": 0}})
    platform = build_defs(store.environment)
    with DagsterInstance.ephemeral() as instance:
        first = ask(platform, instance, None)
        assert "have changed" in first.skip_message
        second = ask(platform, instance, first.cursor)
        (request,) = second.run_requests
        assert request.partition_key == WEEK
        assert "Nothing new" in ask(platform, instance, second.cursor).skip_message
        store.warehouse.load(store.source("product_catalogue"), pa.table({"PartNumber": ["P9"]}))
        third = ask(platform, instance, second.cursor)
        assert "(catalogue)" in third.skip_message
        (again,) = ask(platform, instance, third.cursor).run_requests
        assert again.run_key != request.run_key
        tags = {"dagster/partition": WEEK}
        create_run_for_test(instance, job_name="weekly", status=DagsterRunStatus.FAILURE, tags=tags)
        assert "has read the data" in ask(platform, instance, third.cursor).skip_message


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (WarehouseBusyError("held"), "A run holds the warehouse; asked again at the next look."),
        (UntrackedRowsError("it is a view"), "The schedule alone starts the week. it is a view"),
    ],
)
def test_marks_that_cannot_be_read_start_nothing_and_the_cursor_stays(store, monkeypatch, refusal, says):
    from gnn_assets import sensors

    def refused(*_):
        raise refusal

    monkeypatch.setattr(sensors, "read_marks", refused)
    with DagsterInstance.ephemeral() as instance:
        answer = ask(build_defs(store.environment), instance, "{}")
    assert answer.skip_message == says
    assert answer.cursor in (None, "{}")


# Freshness -----------------------------------------------------------------------------------------------------------


def test_ages_are_judged_against_their_limits(store):
    newest = dt.datetime(2026, 3, 3, 8, tzinfo=dt.UTC)
    for hours, fresh in ((36, True), (36.1, False), (-5, True)):
        found = input_freshness(store.warehouse, store.settings, newest + dt.timedelta(hours=hours))
        assert (found.fresh, found.newest, found.age_hours) == (fresh, newest, max(hours, 0))
    assert found.sentence == "The newest event of source.events is 0 hours old, within its limit of 36."


def test_a_table_that_was_never_published_is_not_fresh_and_has_no_age(store):
    found = published_freshness(store.warehouse, store.settings, T0)
    assert (found.fresh, found.age_hours) == (False, None)
    assert found.sentence == "The published table does not exist yet."


def test_the_daily_look_goes_red_when_the_feed_has_stopped(store):
    job = build_defs(store.environment).resolve_job_def("watch")

    def watch():
        result = job.execute_in_process(partition_key="2026-03-01", instance=instance)
        assert result.success
        return {e.check_name: (e.passed, e.severity.value) for e in result.get_asset_check_evaluations()}

    with DagsterInstance.ephemeral() as instance:
        assert watch() == {
            "the_feed_is_alive": (True, "ERROR"),
            "the_published_table_is_fresh": (False, "WARN"),
            "nobody_is_harmed": (True, "ERROR"),
            "the_table_follows_the_rollout": (True, "ERROR"),
        }
        store.warehouse.load(store.source("events"), rows("client_event_timestamp", ["2026-02-20T00:00"]))
        assert watch()["the_feed_is_alive"] == (False, "ERROR")


def test_state_survives_its_cursor():
    state = State(WEEK, MARKS, T0.isoformat(), "abc")
    assert State.from_cursor(state.as_cursor()) == state
    assert replace(state, since="").digest == state.digest
