"""Whatever call fails, before it runs or after: the live table is whole, old or new, and a second attempt completes.

The fast tier fails after each write; failing before the next write leaves the same tables. The slow tier fails at every
call, reads included, before and after.
"""

import itertools

import pytest

from gnn_core.errors import WarehouseError
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.publisher import publish, rollback, stage
from gnn_core.publishing.schema import live_table, wide_view
from gnn_core.publishing.state import live_state, read_ledger
from tests.core.publishing.world import AT, WEEK, as_table, change, fill, good_rows, make_settings

pytestmark = pytest.mark.slow

SETTINGS = make_settings()
WHEN = pytest.mark.parametrize(
    "after",
    [pytest.param(False, marks=pytest.mark.slow, id="before the call"), pytest.param(True, id="after the call")],
)
WRITES = ("create_table_as", "load", "move", "create_view", "drop", "ensure_dataset")


class Interrupted(Exception):
    """The process dies here."""


class FailingWarehouse:
    """The wrapped warehouse, whose `nth` call of `methods` fails: before it runs, or after its work is done."""

    def __init__(self, inner, nth, *, after, methods=None):
        self._inner, self._left, self._after, self._methods = inner, nth, after, methods

    def __getattr__(self, name):
        attribute = getattr(self._inner, name)
        if not callable(attribute) or (self._methods and name not in self._methods):
            return attribute

        def call(*args, **kwargs):
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Interrupted(name)
            result = attribute(*args, **kwargs)
            if self._left == 0:
                raise Interrupted(name)
            return result

        return call


@pytest.fixture(scope="module")
def world():
    """r1 and r2 published, r3 staged."""
    warehouse = fill(DuckDbWarehouse(":memory:", SETTINGS.warehouse))
    for n, run in enumerate(("r1", "r2", "r3")):
        staging = stage(warehouse, as_table(change("u01", 4, final_score=0.5 - n / 10)(good_rows(run))), run, SETTINGS)
        if run != "r3":
            publish(warehouse, staging, WEEK, SETTINGS, expected_digest=None, at=AT)
    return warehouse, staging


@pytest.fixture
def reset(world):
    """Puts the serving dataset back to what it was: r2 live, r1 before it."""
    warehouse, _ = world
    tables = {t: warehouse.read(TableName("serving", t)) for t in warehouse.list_tables("serving")}

    def restore():
        for name in warehouse.list_tables("serving"):
            if name not in tables:
                warehouse.drop(TableName("serving", name))
        for name, rows in tables.items():
            warehouse.load(TableName("serving", name), rows)

    yield restore
    restore()


def interrupt_everywhere(action, methods, after):
    """Run `action(warehouse)` with the 1st, 2nd, 3rd … call failing, until it gets through; yields in between."""
    for nth in itertools.count(1):
        try:
            action(nth)
        except Interrupted as error:
            yield nth, str(error)
        else:
            return


@WHEN
@pytest.mark.parametrize("methods", [WRITES, pytest.param(None, marks=pytest.mark.slow)], ids=["writes", "every call"])
def test_interrupted_publish(request, world, reset, methods, after):
    warehouse, staging = world
    if methods:
        request.getfixturevalue("few_rules")
    old = live_state(warehouse, SETTINGS)
    seen = set()

    def attempt(nth):
        reset()
        failing = FailingWarehouse(warehouse, nth, after=after, methods=methods)
        publish(failing, staging, WEEK, SETTINGS, expected_digest=None, at=AT)

    for _, call in interrupt_everywhere(attempt, methods, after):
        now = live_state(warehouse, SETTINGS)
        seen.add((call, now.run_id))
        assert (now.run_id, now.digest) == (old.run_id, old.digest) or (now.run_id, now.rows) == ("r3", old.rows)
        assert warehouse.query("SELECT COUNT(*) AS n FROM {v}", tables={"v": wide_view(SETTINGS)})["n"].to_pylist() == [
            10
        ]
        done = publish(warehouse, staging, WEEK, SETTINGS, expected_digest=None, at=AT)
        assert live_state(warehouse, SETTINGS) == done.state
        assert done.state.run_id == "r3"
        assert done.state.recorded
        assert [e.run_id for e in read_ledger(warehouse, SETTINGS)] == ["r1", "r2", "r3"]
        assert warehouse.list_tables("serving", "recommendations__v_") == [
            "recommendations__v_r2",
            "recommendations__v_r3",
        ]
    assert ("move", "r2") in seen  # the copy to the version, or the move itself: nothing live yet
    assert ("create_view", "r3") in seen  # live and not yet in the ledger
    if after:
        assert ("move", "r3") in seen


@WHEN
@pytest.mark.parametrize("methods", [WRITES, pytest.param(None, marks=pytest.mark.slow)], ids=["writes", "every call"])
@pytest.mark.parametrize("target", [None, pytest.param("r1", marks=pytest.mark.slow)])
def test_interrupted_rollback(world, reset, methods, after, target):
    warehouse, _ = world
    old = live_state(warehouse, SETTINGS)

    def attempt(nth):
        reset()
        rollback(FailingWarehouse(warehouse, nth, after=after, methods=methods), SETTINGS, to_run_id=target, at=AT)

    interrupted = []
    for _, call in interrupt_everywhere(attempt, methods, after):
        interrupted.append(call)
        assert live_state(warehouse, SETTINGS).run_id in (old.run_id, "r1")
        done = rollback(warehouse, SETTINGS, to_run_id=target, at=AT)
        assert (done.state.run_id, done.state.recorded) == ("r1", True)
        assert live_state(warehouse, SETTINGS) == done.state
        assert [(e.action, e.run_id) for e in read_ledger(warehouse, SETTINGS)][2:] == [("rollback", "r1")]
    assert {"move", "create_view", "load"} <= set(interrupted)


def test_next_run_records_what_an_interrupted_publish_left_out(world, reset):
    warehouse, staging = world
    reset()
    # move to the version, move to live, then the view fails
    failing = FailingWarehouse(warehouse, 1, after=False, methods=("create_view",))
    with pytest.raises(Interrupted):
        publish(failing, staging, WEEK, SETTINGS, expected_digest=None, at=AT)
    assert not live_state(warehouse, SETTINGS).recorded
    later = stage(warehouse, as_table(good_rows("r4")), "r4", SETTINGS)
    publish(warehouse, later, WEEK, SETTINGS, expected_digest=None, at=AT)
    assert [(e.action, e.run_id) for e in read_ledger(warehouse, SETTINGS)][2:] == [
        ("publish", "r3"),
        ("publish", "r4"),
    ]
    assert rollback(warehouse, SETTINGS, to_run_id=None, at=AT).state.run_id == "r3"


def test_live_table_that_somebody_else_overwrites_is_reported(world, reset, monkeypatch):
    warehouse, staging = world
    reset()
    move = warehouse.move

    def overwrite(source, target):
        stats = move(source, target)
        if target == live_table(SETTINGS):
            warehouse.load(target, as_table(good_rows("intruder")))
        return stats

    monkeypatch.setattr(warehouse, "move", overwrite)
    with pytest.raises(WarehouseError, match=r"holds run intruder .* somebody else writes to it"):
        publish(warehouse, staging, WEEK, SETTINGS, expected_digest=None, at=AT)
    assert read_ledger(warehouse, SETTINGS)[-1].run_id == "r2"
