"""The table follows the rollout, whoever moved it: both ledgers are asked as they are now."""

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from gnn_assets.definitions import build_defs
from gnn_core.experiment.rollout import HOLD, PLATFORM, ROLLBACK, START, STEP
from gnn_core.io.artifacts import json_bytes
from gnn_core.publishing.schema import live_table
from gnn_core.publishing.shares import share_note
from gnn_core.publishing.state import PUBLISH, LiveState, record
from gnn_core.publishing.state import ROLLBACK as PUT_BACK
from tests.assets.rollout_world import moment, move
from tests.fixtures.installation import Installation

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
    with instance or dg.DagsterInstance.ephemeral() as opened:
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
    import gnn_assets.rollout_sensor as module
    from gnn_core.errors import WarehouseBusyError

    def busy(*_):
        raise WarehouseBusyError("held")

    monkeypatch.setattr(module, "read_moves", busy)
    assert "holds the warehouse" in asked(rolling).skip_message
