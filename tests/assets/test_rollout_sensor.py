"""The table follows the rollout, whoever moved it: both ledgers are asked as they are now."""

import datetime as dt
from contextlib import nullcontext

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from gnn_assets.definitions import build_defs
from gnn_assets.following import LAST_TRY_TAG, MOVE_TAG, next_try
from gnn_core.errors import WarehouseBusyError
from gnn_core.experiment.rollout import HOLD, PLATFORM, ROLLBACK, START, STEP
from gnn_core.io.artifacts import json_bytes
from gnn_core.publishing.schema import live_table
from gnn_core.publishing.shares import share_note
from gnn_core.publishing.state import PUBLISH, LiveState, record
from gnn_core.publishing.state import ROLLBACK as PUT_BACK
from tests.assets.rollout_world import moment, move
from tests.fixtures.installation import Installation

pytestmark = pytest.mark.slow

PUBLISHED = "2026-02-23"


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    return build_defs(Installation.create(tmp_path_factory.mktemp("sensor") / "empty").environment)


def published(store, share, run_id="r1", action=PUBLISH):
    """A row of the publish ledger, and the week's artifact."""
    store.warehouse.ensure_dataset("serving")
    state = LiveState(live_table(store.settings), run_id, 39, 10, "hybrid", "d" + run_id, recorded=False)
    note = share_note(share) if action == PUBLISH else ""
    record(store.warehouse, store.settings, action, state, at=moment("2026-03-02"), staging="work.x", note=note)
    content = json_bytes({"ledger_share": share})
    store.environment.artifacts(store.settings).write(PUBLISHED, "recommendations", {"published.json": content})


@pytest.fixture
def rolling(tmp_path):
    """A rollout at a tenth, and a table that was made under it."""
    store = Installation.create(tmp_path / "store")
    move(store, 1, "2026-02-25", START, 0.0, 0.1)
    published(store, 0.1)
    return store


def asked(store, instance=None, runs=()):
    """What the sensor answers while runs of these jobs are in these states."""
    definitions = build_defs(store.environment)
    sensor = next(s for s in definitions.sensors if s.name == "rollout_is_published")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with nullcontext(instance) if instance else dg.DagsterInstance.ephemeral() as opened:
        for job, status in runs:
            create_run_for_test(opened, job_name=job, status=status)
        context = dg.build_sensor_context(instance=opened, repository_def=definitions.get_repository_def())
        return sensor.evaluate_tick(context)


def test_before_the_first_publish_there_is_nothing_to_follow(tmp_path):
    assert "No week" in asked(Installation.create(tmp_path / "store")).skip_message


@pytest.mark.parametrize(
    ("action", "by", "share"), [(ROLLBACK, "Ada", 0.0), (STEP, PLATFORM, 0.25)], ids=["back to SQL", "a step"]
)
def test_a_move_of_the_ledger_is_published_at_once_whoever_made_it(rolling, action, by, share):
    assert "was made under this share" in asked(rolling).skip_message
    move(rolling, 2, "2026-03-04", action, 0.1, share, by)
    (request,) = asked(rolling).run_requests
    assert request.partition_key == PUBLISHED
    (again,) = asked(rolling).run_requests
    assert again.run_key == request.run_key  # which Dagster starts once
    published(rolling, share, "r2")
    assert "was made under this share" in asked(rolling).skip_message


def test_a_rollback_is_published_over_a_table_that_went_live_after_it_under_the_old_share(rolling):
    """The stage of a weekly run said a tenth, somebody rolled back, and the run published its tenth all the same."""
    move(rolling, 2, "2026-03-04", ROLLBACK, 0.1, 0.0)
    store = rolling.environment.artifacts(rolling.settings)
    stage = {"share": 0.1, "reason": "7 days", "sequence": 1, "from_ledger": True}
    store.write("2026-03-02", "rollout_stage", {"stage.json": json_bytes(stage)})
    published(rolling, 0.1, "r2")
    assert asked(rolling).run_requests


def test_what_moves_no_share_publishes_nothing(rolling):
    move(rolling, 2, "2026-03-04", HOLD, 0.1, 0.1)
    assert "10%" in asked(rolling).skip_message


def test_where_no_rollout_governs_nothing_is_published(rolling, tmp_path):
    rolling.profile({"experiment": {"start": "2026-03-02"}})
    move(rolling, 2, "2026-03-02", ROLLBACK, 0.1, 0.0)
    assert "No rollout governs" in asked(rolling).skip_message
    bare = Installation.create(tmp_path / "bare")
    published(bare, None)
    assert "No rollout governs" in asked(bare).skip_message


def test_a_rollout_that_starts_after_the_table_was_made_is_published(tmp_path):
    store = Installation.create(tmp_path / "store")
    published(store, None)
    move(store, 1, "2026-03-04", START, 0.0, 0.1)
    assert asked(store).run_requests


@pytest.mark.parametrize("job", ["weekly", "republish"])
def test_a_run_that_is_under_way_publishes_the_move_itself_and_one_that_ended_does_not(rolling, job):
    move(rolling, 2, "2026-03-04", STEP, 0.1, 0.25)
    for status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED):
        assert f"of {job} is under way" in asked(rolling, runs=[(job, status)]).skip_message
    assert asked(
        rolling, runs=[("weekly", dg.DagsterRunStatus.FAILURE), ("experiment", dg.DagsterRunStatus.STARTED)]
    ).run_requests


def test_a_version_that_a_person_put_back_is_not_replaced_by_itself(rolling):
    move(rolling, 2, "2026-03-04", STEP, 0.1, 0.25)
    published(rolling, 0.25, "r2")
    published(rolling, None, "r1", PUT_BACK)
    said = asked(rolling).skip_message
    assert "A person has put run r1 back" in said
    assert "`gnn rollout publish`" in said


def test_a_busy_warehouse_is_asked_again(rolling, monkeypatch):
    def busy(*_):
        raise WarehouseBusyError("held")

    monkeypatch.setattr("gnn_assets.following.read_moves", busy)
    assert "holds the warehouse" in asked(rolling).skip_message


def _tries(store, instance, monkeypatch, later, ends):
    """What the sensor answers some time after tries of the rollback that ended so."""
    for end in ends:
        tags = {"dagster/partition": PUBLISHED, MOVE_TAG: "2"}
        create_run_for_test(instance, job_name="republish", status=end, tags=tags)
    now = dt.datetime.now(dt.UTC) + later
    monkeypatch.setattr("gnn_assets.rollout_sensor._now", lambda: now)
    return asked(store, instance)


@pytest.mark.parametrize("ended", [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED, DagsterRunStatus.SUCCESS])
def test_a_try_that_changed_nothing_is_made_again_after_a_pause_under_a_key_of_its_own(rolling, monkeypatch, ended):
    move(rolling, 2, "2026-03-04", ROLLBACK, 0.1, 0.0)
    (first,) = asked(rolling).run_requests
    with dg.DagsterInstance.ephemeral() as instance:
        early = _tries(rolling, instance, monkeypatch, dt.timedelta(minutes=4), [ended])
        assert "Tried 1 time(s); again at" in early.skip_message
        late = _tries(rolling, instance, monkeypatch, dt.timedelta(minutes=6), [])
        (again,) = late.run_requests
        assert (first.run_key, again.run_key) == (f"rollout-2-{PUBLISHED}-0", f"rollout-2-{PUBLISHED}-1")
        assert again.tags[MOVE_TAG] == "2"


def test_a_hold_does_not_begin_the_tries_anew_and_another_move_does(rolling, monkeypatch):
    move(rolling, 2, "2026-03-04", STEP, 0.1, 0.25)
    move(rolling, 3, "2026-03-05", HOLD, 0.25, 0.25)
    with dg.DagsterInstance.ephemeral() as instance:
        held = _tries(rolling, instance, monkeypatch, dt.timedelta(minutes=6), [DagsterRunStatus.FAILURE])
        assert [r.run_key for r in held.run_requests] == [f"rollout-2-{PUBLISHED}-1"]
        move(rolling, 4, "2026-03-05", ROLLBACK, 0.25, 0.0)
        back = _tries(rolling, instance, monkeypatch, dt.timedelta(0), [])
        assert [r.run_key for r in back.run_requests] == [f"rollout-4-{PUBLISHED}-0"]


def test_the_last_try_is_marked_and_after_it_a_person_is_asked(rolling, monkeypatch):
    move(rolling, 2, "2026-03-04", ROLLBACK, 0.1, 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        late = dt.timedelta(hours=4)
        (request,) = _tries(rolling, instance, monkeypatch, late, [DagsterRunStatus.FAILURE] * 4).run_requests
        assert LAST_TRY_TAG in request.tags
        said = _tries(rolling, instance, monkeypatch, late, [DagsterRunStatus.FAILURE]).skip_message
    assert "The table does not follow the rollout: run r1, made under 10%, is live." in said
    assert "Tried 5 times" in said
    assert "`gnn rollout publish`" in said


def test_the_pauses_grow_and_end():
    at = moment("2026-03-04")
    waits = [next_try([at] * n) for n in range(1, 6)]
    assert [None if w is None else (w - at) // dt.timedelta(minutes=1) for w in waits] == [5, 20, 60, 180, None]


def _looked(store, runs=()):
    """What the daily look says of the table and the rollout."""
    watch = build_defs(store.environment).resolve_job_def("watch")
    with dg.DagsterInstance.ephemeral() as instance:
        for job, status in runs:
            create_run_for_test(instance, job_name=job, status=status)
        done = watch.execute_in_process(
            instance=instance, partition_key="2026-03-04", asset_selection=[dg.AssetKey("freshness")]
        )
    return next(e for e in done.get_asset_check_evaluations() if e.check_name == "the_table_follows_the_rollout")


def test_the_daily_look_is_red_while_nothing_has_the_table_follow(rolling):
    assert _looked(rolling).passed
    move(rolling, 2, "2026-03-04", ROLLBACK, 0.1, 0.0)
    red = _looked(rolling)
    assert (red.passed, red.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "does not follow the rollout: run r1, made under 10%, is live" in red.description
    assert _looked(rolling, [("republish", DagsterRunStatus.STARTED)]).passed
    published(rolling, 0.0, "r2")
    assert _looked(rolling).passed
    published(rolling, None, "r1", PUT_BACK)
    assert "A person has put run r1 back" in _looked(rolling).description
