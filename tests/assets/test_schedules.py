"""What runs by itself, for which week or day: a tick that is missed, doubled, or late does no harm."""

import datetime as dt
from dataclasses import replace

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from gnn_assets.assets.daily import day_of
from gnn_assets.definitions import build_defs
from gnn_assets.environment import PROJECT, Environment
from gnn_assets.partitions import daily_partitions, newest_day, newest_week, weekly_partitions
from gnn_assets.resources import Platform
from gnn_core.config import load_settings
from gnn_core.contracts import CONTRACTS
from tests.fixtures.installation import Installation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    return build_defs(Installation.create(tmp_path_factory.mktemp("schedules") / "empty").environment)


@pytest.fixture
def instance(tmp_path):
    with DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def tick(definitions, instance, name, moment):
    (schedule,) = (s for s in definitions.schedules if s.name == name)
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=moment, repository_def=definitions.get_repository_def()
    )
    return schedule.evaluate_tick(context)


def monday(day, month=3, hour=5):
    return dt.datetime(2026, month, day, hour, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("name", "cron", "job"), [("every_monday", "0 5 * * 1", "weekly"), ("every_day", "0 7 * * *", "watch")]
)
def test_schedules_are_on_in_utc(definitions, name, cron, job):
    (schedule,) = (s for s in definitions.schedules if s.name == name)
    assert (schedule.cron_schedule, schedule.execution_timezone, schedule.job_name) == (cron, "UTC", job)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_tick_is_for_the_week_that_ended_before_it_however_late_it_is_evaluated(definitions, instance):
    keys = []
    for day in (2, 9, 16):  # all made up for at once, weeks later, as a daemon does that was down
        (request,) = tick(definitions, instance, "every_monday", monday(day)).run_requests
        keys.append((request.partition_key, request.run_key))
    assert keys == [(week, f"week-{week}") for week in ("2026-02-23", "2026-03-02", "2026-03-09")]


def test_a_double_tick_has_the_same_run_key_which_dagster_starts_once(definitions, instance):
    first, second = (tick(definitions, instance, "every_monday", monday(2)).run_requests[0] for _ in range(2))
    assert first.run_key == second.run_key


@pytest.mark.parametrize("status", [DagsterRunStatus.SUCCESS, DagsterRunStatus.STARTED, DagsterRunStatus.STARTING])
def test_a_week_that_is_made_or_being_made_is_left_alone(definitions, instance, status):
    tags = {"dagster/partition": "2026-02-23"}
    create_run_for_test(instance, job_name="weekly", status=status, tags=tags)
    assert "Week 2026-02-23 is made" in tick(definitions, instance, "every_monday", monday(2)).skip_message
    assert tick(definitions, instance, "every_monday", monday(9)).run_requests


@pytest.mark.parametrize(
    ("job", "status", "week"),
    [
        pytest.param("weekly", DagsterRunStatus.FAILURE, "2026-02-23", id="a failed run"),
        pytest.param("weekly", DagsterRunStatus.CANCELED, "2026-02-23", id="a cancelled run"),
        pytest.param("experiment", DagsterRunStatus.SUCCESS, "2026-02-23", id="another job"),
        pytest.param("weekly", DagsterRunStatus.SUCCESS, "2026-02-16", id="another week"),
    ],
)
def test_nothing_else_makes_a_week(definitions, instance, job, status, week):
    create_run_for_test(instance, job_name=job, status=status, tags={"dagster/partition": week})
    assert tick(definitions, instance, "every_monday", monday(2)).run_requests


def test_the_daily_look_is_for_the_day_that_has_ended(definitions, instance):
    (request,) = tick(definitions, instance, "every_day", monday(3, hour=7)).run_requests
    assert (request.partition_key, request.run_key) == ("2026-03-02", "day-2026-03-02")


def test_before_the_first_week_has_ended_nothing_runs(definitions, instance):
    early = dt.datetime(2025, 9, 1, 5, tzinfo=dt.UTC)
    assert tick(definitions, instance, "every_monday", early).skip_message == "No week has ended yet."
    assert tick(definitions, instance, "every_day", early).skip_message == "No day has ended yet."


@pytest.mark.parametrize(
    ("moment", "week", "day"),
    [
        ("2026-03-01T23:59", "2026-02-16", "2026-02-28"),
        ("2026-03-02T00:00", "2026-02-23", "2026-03-01"),
        ("2026-03-02T01:00+02:00", "2026-02-16", "2026-02-28"),
        ("2025-09-07T12:00", None, None),
        ("2025-09-09T00:00", "2025-09-01", "2025-09-08"),
    ],
)
def test_weeks_and_days_end_at_midnight_utc(definitions, moment, week, day):
    store = replace(load_settings(PROJECT / "configs" / "gnn_config.yaml").store, last_week=None)
    at = dt.datetime.fromisoformat(moment)
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    assert (newest_week(store, at), newest_day(store, at)) == (week, day)
    ended = replace(store, last_week=dt.date(2026, 1, 5))
    if week and week > "2026-01-05":
        assert (newest_week(ended, at), newest_day(ended, at)) == ("2026-01-05", "2026-01-11")
        assert newest_day(ended, at) == daily_partitions(ended).get_last_partition_key()
        assert newest_week(ended, at) == weekly_partitions(ended).get_last_partition_key()


@pytest.mark.timeout(1200)
def test_a_past_week_is_made_again_without_taking_the_table_back_in_time(published_copy):
    before = published_copy.live
    published_copy.gnn("run", "--week", "2026-02-16")
    assert published_copy.live == before
    store = published_copy.environment.artifacts(published_copy.settings)
    assert store.exists("2026-02-16", "serving_metrics")
    assert not store.exists("2026-02-16", "recommendations")
    published_copy.gnn("run", "--week", "2026-02-23")
    assert published_copy.live.run_id != before.run_id
    assert published_copy.live.digest == before.digest


def test_the_daily_look_never_touches_the_tables_of_the_weekly_run(tmp_path):
    """A Sunday ends the very seven days of the weekly run; its look stages tables of its own and drops only those."""
    platform = Platform.of(Environment("local", PROJECT / "configs", tmp_path))
    sunday, week = day_of(platform, "2026-03-01"), platform.week("2026-02-23")
    assert sunday.tables.as_of == week.tables.as_of
    assert not {str(sunday.tables.table(name)) for name in CONTRACTS} & {
        str(week.tables.table(name)) for name in CONTRACTS
    }
