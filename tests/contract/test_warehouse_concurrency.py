"""Two processes and one DuckDB file: wait for a while, then say which file is held; never half a table."""

import subprocess
import sys
import threading
import time

import duckdb
import pyarrow as pa
import pytest

from gnn_core.errors import WarehouseBusyError, WarehouseError
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.io.warehouse import TableName
from tests.fixtures.warehouse import warehouse_settings

TABLE = TableName("work", "t")
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline(); c.close()"


@pytest.fixture
def path(tmp_path):
    """A file with one table of one row."""
    path = tmp_path / "store.duckdb"
    warehouse = DuckDbWarehouse(path, warehouse_settings())
    warehouse.ensure_dataset("work")
    warehouse.load(TABLE, pa.table({"id": [1]}))
    return path


@pytest.fixture
def holder(path):
    """Another process that holds the file until it is told to let go."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda w: w.read(TABLE), id="read"),
        pytest.param(lambda w: w.load(TABLE, pa.table({"id": [2]})), id="load"),
        pytest.param(lambda w: w.query("SELECT 1 AS a"), id="query"),
    ],
)
def test_a_held_file_is_named_after_the_wait(path, holder, act):
    warehouse = DuckDbWarehouse(path, warehouse_settings(busy_retry_s=0.2))
    with pytest.raises(WarehouseBusyError, match=rf"{path}.*0\.2 s \(warehouse\.busy_retry_s\).*PID {holder.pid}"):
        act(warehouse)


def test_a_file_that_is_let_go_in_time_is_used(path, holder):
    warehouse = DuckDbWarehouse(path, warehouse_settings(busy_retry_s=30.0))
    done = []
    waiting = threading.Thread(target=lambda: done.append(warehouse.load(TABLE, pa.table({"id": [2, 3]})).rows))
    waiting.start()
    time.sleep(0.3)
    assert done == []
    holder.communicate("\n")
    waiting.join(20)
    assert done == [2]
    assert warehouse.row_count(TABLE) == 2


def test_the_file_is_free_between_operations(path):
    warehouse = DuckDbWarehouse(path, warehouse_settings())
    assert warehouse.row_count(TABLE) == 1
    script = (
        "import duckdb, sys; print(duckdb.connect(sys.argv[1]).execute('SELECT COUNT(*) FROM work.t').fetchone()[0])"
    )
    other = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "1"


def test_threads_of_one_process_share_the_file(path):
    """Two objects on one file: appends of both arrive, however they interleave."""
    warehouses = [DuckDbWarehouse(path, warehouse_settings()) for _ in range(2)]

    def append(warehouse, first):
        for number in range(first, first + 5):
            warehouse.load(TABLE, pa.table({"id": [number]}), replace=False)

    threads = [threading.Thread(target=append, args=(w, 100 * (i + 1))) for i, w in enumerate(warehouses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)  # a busy machine is slow, and not wrong
    assert not any(thread.is_alive() for thread in threads)
    assert sorted(warehouses[0].read(TABLE)["id"].to_pylist()) == [1, *range(100, 105), *range(200, 205)]


@pytest.mark.parametrize("replace", [True, False], ids=["replace", "append"])
def test_a_load_that_breaks_off_leaves_the_old_rows(path, monkeypatch, replace):
    """The statement has run and the commit has not: nothing of it remains."""
    warehouse = DuckDbWarehouse(path, warehouse_settings())
    connect = duckdb.connect

    class NoCommit:
        def __init__(self, *args, **kwargs):
            self._con = connect(*args, **kwargs)

        def __getattr__(self, name):
            return getattr(self._con, name)

        def commit(self):
            raise duckdb.IOException("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(duckdb, "connect", NoCommit)
        with pytest.raises(WarehouseError, match=r"load work\.t: disk full"):
            warehouse.load(TABLE, pa.table({"id": [7, 8]}), replace=replace)
        with pytest.raises(WarehouseError, match="move"):
            warehouse.move(TABLE, TableName("work", "copy"))
    after = DuckDbWarehouse(path, warehouse_settings())
    assert after.read(TABLE).to_pylist() == [{"id": 1}]
    assert after.list_tables("work") == ["t"]


def test_a_process_killed_in_a_load_leaves_the_old_rows(path):
    script = (
        "import duckdb, os, sys; con = duckdb.connect(sys.argv[1]); con.begin(); "
        "con.execute('CREATE OR REPLACE TABLE work.t AS SELECT range AS id FROM range(9999)'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert DuckDbWarehouse(path, warehouse_settings()).read(TABLE).to_pylist() == [{"id": 1}]


def test_an_action_waits_for_one_of_another_object_and_says_so_when_it_takes_too_long(path):
    """The operating system's lock does not tell two objects of one process apart."""
    first, second = (DuckDbWarehouse(path, warehouse_settings(busy_retry_s=0.2)) for _ in range(2))
    inside, leave = threading.Event(), threading.Event()

    def stay(con):
        inside.set()
        assert leave.wait(60)

    thread = threading.Thread(target=lambda: first._file.run("long", stay))
    thread.start()
    assert inside.wait(60)
    with pytest.raises(WarehouseBusyError, match=rf"read work.t: another thread of this process holds {path}.*0\.2 s"):
        second.read(TABLE)
    leave.set()
    thread.join(60)
    assert second.row_count(TABLE) == 1


def test_what_fails_in_an_action_leaves_the_file_free_and_the_object_usable(path):
    warehouse = DuckDbWarehouse(path, warehouse_settings())
    for _ in range(2):
        with pytest.raises(WarehouseError, match="no_such"):
            warehouse.query("SELECT no_such AS a FROM {t}", tables={"t": TABLE})
    assert DuckDbWarehouse(path, warehouse_settings()).row_count(TABLE) == 1
    assert warehouse.row_count(TABLE) == 1


@pytest.mark.parametrize("name", ["_warehouse_file", "_Warehouse_File", "memory", "temp", "system"])
def test_a_dataset_cannot_be_called_like_a_database(path, name):
    with pytest.raises(WarehouseError, match=f"dataset {name}: DuckDB keeps this name"):
        DuckDbWarehouse(path, warehouse_settings()).ensure_dataset(name)


def test_memory_keeps_its_tables_for_the_life_of_the_object():
    warehouse = DuckDbWarehouse(":memory:", warehouse_settings())
    warehouse.ensure_dataset("work")
    warehouse.load(TABLE, pa.table({"id": [1]}))
    with pytest.raises(WarehouseError):
        warehouse.query("SELECT no_such AS a FROM {t}", tables={"t": TABLE})
    assert warehouse.row_count(TABLE) == 1
    assert not DuckDbWarehouse(":memory:", warehouse_settings()).exists(TABLE)


def test_limits_come_from_the_settings(path):
    warehouse = DuckDbWarehouse(path, warehouse_settings(memory_limit="300MiB", threads=1))
    got = warehouse.query(
        "SELECT current_setting('memory_limit') AS m, CAST(current_setting('threads') AS INT64) AS t, "
        "current_setting('TimeZone') AS z, current_setting('temp_directory') AS d, "
        "current_setting('enable_progress_bar') AS bar"
    ).to_pylist()
    assert got == [{"m": "300.0 MiB", "t": 1, "z": "UTC", "d": f"{path}.spill", "bar": False}]
