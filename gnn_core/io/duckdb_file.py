"""One DuckDB file: attached for one action, waited for while another process holds it, detached at once.

What belongs here: connections, the wait, the translation of DuckDB's errors. What does not: tables (duckdb.py).
DuckDB lets one process at a time hold a file; a second one cannot even read. An action is one transaction.
To start DuckDB costs ten times what attaching a file does, and a week has over a thousand actions, so that an object
starts it once, in memory, and the file comes and goes.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import duckdb

from gnn_core.config.data import WarehouseSettings
from gnn_core.errors import TableNotFoundError, WarehouseBusyError, WarehouseError
from gnn_core.io.arrow_types import missing_dataset

T = TypeVar("T")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 1.0
_ALIAS = "_warehouse_file"
# The operating system's lock keeps out other processes only: two objects of this one would both write.
_HELD_HERE: dict[str, threading.RLock] = {}


class DuckDbFile:
    """Runs actions on a file; `:memory:` keeps its tables for the life of the object."""

    def __init__(self, path: str | Path, settings: WarehouseSettings) -> None:
        self._path = str(path)
        self._settings = settings
        self._started: duckdb.DuckDBPyConnection | None = None
        self._in_memory = self._path == ":memory:"
        if self._in_memory:
            self._spill = str(Path(tempfile.gettempdir()) / "duckdb-spill")
            self._lock = threading.RLock()
        else:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            self._spill = f"{self._path}.spill"
            self._lock = _HELD_HERE.setdefault(str(Path(self._path).resolve()), threading.RLock())

    @property
    def reserved_names(self) -> frozenset[str]:
        """Names of databases, in lower case: a dataset of that name could not be told from them."""
        return frozenset({_ALIAS, "memory", "temp", "system"})

    def size(self) -> dict[str, int]:
        """Bytes on disk by file name; empty for one in memory, or before anything was written."""
        path = Path(self._path)
        return {path.name: path.stat().st_size} if path.is_file() else {}

    def run(self, label: str, action: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """`action` in one transaction, tried again while somebody else holds the file; `label` is named in errors.

        Raises:
            WarehouseBusyError: it was not free within `warehouse.busy_retry_s`.
            TableNotFoundError, WarehouseError: DuckDB refused; nothing of the action remains.
        """
        deadline = time.monotonic() + self._settings.busy_retry_s
        wait = _FIRST_WAIT_S
        while True:
            try:
                return self._once(label, action)
            except duckdb.Error as error:
                if not _is_busy(error):
                    raise _translated(error, label) from error
                if time.monotonic() + wait > deadline:
                    raise WarehouseBusyError(
                        f"{label}: another process holds {self._path} and did not let go within "
                        f"{self._settings.busy_retry_s:g} s (warehouse.busy_retry_s): {_first_line(error)}"
                    ) from error
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._started is None:
            self._started = duckdb.connect(
                ":memory:",
                config={
                    "memory_limit": self._settings.memory_limit,
                    "threads": self._settings.threads,
                    "temp_directory": self._spill,
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                    # Otherwise an unknown table name finds a Python variable of the caller.
                    "python_enable_replacements": False,
                },
            )
            self._started.execute("SET TimeZone = 'UTC'")
            # A library does not draw on its caller's terminal; here it drew through the lines of the weekly job.
            self._started.execute("SET enable_progress_bar = false")
        return self._started

    @contextlib.contextmanager
    def _attached(self) -> Iterator[duckdb.DuckDBPyConnection]:
        con = self._connection()
        if self._in_memory:
            yield con
            return
        con.execute(f"ATTACH {_text(self._path)} AS {_ALIAS}")
        try:
            con.execute(f"USE {_ALIAS}")
            yield con
        finally:
            con.execute("USE memory")
            con.execute(f"DETACH {_ALIAS}")

    def _once(self, label: str, action: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        with self._held_here(label), self._attached() as con:
            con.begin()
            try:
                result = action(con)
                con.commit()
            except BaseException:
                _rollback(con)
                raise
            return result

    @contextlib.contextmanager
    def _held_here(self, label: str) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._settings.busy_retry_s):
            raise WarehouseBusyError(
                f"{label}: another thread of this process holds {self._path} and did not let go within "
                f"{self._settings.busy_retry_s:g} s (warehouse.busy_retry_s)"
            )
        try:
            yield
        finally:
            self._lock.release()


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _rollback(con: duckdb.DuckDBPyConnection) -> None:
    # A commit that failed has already ended its transaction.
    with contextlib.suppress(duckdb.TransactionException):
        con.rollback()


def _is_busy(error: duckdb.Error) -> bool:
    text = str(error)
    if isinstance(error, duckdb.IOException):
        return "Could not set lock" in text or "being used by another process" in text
    return isinstance(error, duckdb.TransactionException) and "conflict" in text.lower()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _translated(error: duckdb.Error, label: str) -> WarehouseError:
    text = str(error).strip()
    if isinstance(error, duckdb.CatalogException):
        schema = re.match(r"Catalog Error: Schema with name (\S+) does not exist", text)
        if schema:
            return missing_dataset(label, schema.group(1))
        if re.match(r"Catalog Error: Table with name \S+ does not exist", text):
            return TableNotFoundError(f"{label}: {_first_line(error)}")
    return WarehouseError(f"{label}: {text}")
