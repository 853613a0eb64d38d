"""One DuckDB file: opened for one action, waited for while another process holds it, closed at once.

What belongs here: connections, the wait, the translation of DuckDB's errors. What does not: tables (duckdb.py).
DuckDB lets one process at a time hold a file; a second one cannot even read. An action is one transaction.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb

from gnn_core.config.data import WarehouseSettings
from gnn_core.errors import TableNotFoundError, WarehouseBusyError, WarehouseError
from gnn_core.io.arrow_types import missing_dataset

T = TypeVar("T")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 1.0


class DuckDbFile:
    """Runs actions on a file; `:memory:` keeps one connection for the life of the object."""

    def __init__(self, path: str | Path, settings: WarehouseSettings) -> None:
        self._path = str(path)
        self._settings = settings
        self._lock = threading.RLock()
        self._kept: duckdb.DuckDBPyConnection | None = None
        if self._path == ":memory:":
            self._spill = str(Path(tempfile.gettempdir()) / "duckdb-spill")
            self._kept = self._connect()
        else:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            self._spill = f"{self._path}.spill"

    @property
    def reserved_names(self) -> frozenset[str]:
        """Names of databases, in lower case: a dataset of that name could not be told from them."""
        return frozenset({Path(self._path).stem.lower(), "memory", "temp", "system"})

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
                return self._once(action)
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

    def _connect(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(
            self._path,
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
        con.execute("SET TimeZone = 'UTC'")
        # A library does not draw on its caller's terminal; here it drew through the lines of the weekly job.
        con.execute("SET enable_progress_bar = false")
        return con

    def _once(self, action: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        with self._lock:
            con = self._kept or self._connect()
            try:
                con.begin()
                try:
                    result = action(con)
                    con.commit()
                except BaseException:
                    _rollback(con)
                    raise
                return result
            finally:
                if con is not self._kept:
                    con.close()


def _rollback(con: duckdb.DuckDBPyConnection) -> None:
    # A commit that failed has already ended its transaction.
    with contextlib.suppress(duckdb.TransactionException):
        con.rollback()


def _is_busy(error: duckdb.Error) -> bool:
    text = str(error)
    if isinstance(error, duckdb.IOException):
        return "Could not set lock" in text or "being used by another process" in text
    if isinstance(error, duckdb.ConnectionException):  # another object of this process, with other settings
        return "different configuration" in text
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
