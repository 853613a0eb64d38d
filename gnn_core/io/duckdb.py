"""The embedded warehouse: one DuckDB file, attached for each operation and detached after it.

What belongs here: the DuckDB side of the Warehouse protocol. What does not: translation of SQL (dialect.py), opening
and locking the file (duckdb_file.py). Datasets are schemas; TIMESTAMP is TIMESTAMPTZ with the session in UTC.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from gnn_core.config.data import WarehouseSettings
from gnn_core.config.tables import PLAIN, TableLayout
from gnn_core.errors import WarehouseError
from gnn_core.io.arrow_types import canonical, canonical_type, check_layout, for_load, google_type, in_columns_of
from gnn_core.io.dialect import to_duckdb
from gnn_core.io.duckdb_file import DuckDbFile
from gnn_core.io.sql import Statement, prepare
from gnn_core.io.warehouse import JobStats, TableName

log = logging.getLogger(__name__)
_TYPES = {
    "STRING": "VARCHAR",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "BOOL": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMPTZ",
}


class DuckDbWarehouse:
    """A Warehouse in one file; `:memory:` keeps one connection for the life of the object (tests)."""

    engine = "duckdb"

    def __init__(self, path: str | Path, settings: WarehouseSettings) -> None:
        self._file = DuckDbFile(path, settings)

    def query(
        self,
        sql: str,
        *,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, TableName] | None = None,
        label: str = "query",
    ) -> pa.Table:
        """Run a SELECT and return all rows as Arrow."""
        statement = prepare(sql, parameters, tables, _quote, label)
        text, values = _translate(statement)
        started = time.monotonic()
        rows = self._file.run(label, lambda con: con.execute(text, values).to_arrow_table())
        log.debug("%s: %d rows in %.2f s", label, rows.num_rows, time.monotonic() - started)
        return canonical(rows, label)

    def create_table_as(
        self,
        target: TableName,
        sql: str,
        *,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, TableName] | None = None,
        layout: TableLayout = PLAIN,
        label: str = "ctas",
    ) -> JobStats:
        """CREATE OR REPLACE TABLE target AS sql; `layout` is checked, and has no effect here."""
        statement = prepare(sql, parameters, tables, _quote, label)
        text, values = _translate(statement)

        def create(con: duckdb.DuckDBPyConnection) -> int:
            # An integer literal is 32 bits wide here and a SUM 128: the table gets the types BigQuery would give it.
            described = con.execute(f"DESCRIBE {text}", values).fetchall()
            empty = con.execute(f"SELECT * FROM ({text}) AS _rows LIMIT 0", values).to_arrow_table()
            check_layout(label, target, layout, {f.name: google_type(canonical_type(f.type)) for f in empty.schema})
            wide = ", ".join(
                f"CAST(_rows.{_name(row[0])} AS {_duckdb_type(canonical_type(field.type))}) AS {_name(row[0])}"
                for row, field in zip(described, empty.schema, strict=True)
            )
            rows = f"SELECT {wide} FROM ({text}) AS _rows"
            return _counted(con, f"CREATE OR REPLACE TABLE {_sql(target)} AS {rows}", values)

        return self._timed(label, create)

    def create_table(self, target: TableName, schema: pa.Schema, *, layout: TableLayout = PLAIN) -> None:
        """Create an empty table unless one of this name exists; `layout` is checked, and has no effect here."""
        rows = for_load(schema.empty_table(), str(target))
        check_layout(f"create {target}", target, layout, {f.name: google_type(f.type) for f in rows.schema})

        def create(con: duckdb.DuckDBPyConnection) -> None:
            if _exists(con, target):
                return
            columns = ", ".join(f"{_name(field.name)} {_duckdb_type(field.type)}" for field in rows.schema)
            con.execute(f"CREATE TABLE {_sql(target)} ({columns})")

        self._file.run(f"create {target}", create)

    def load(
        self,
        target: TableName,
        rows: pa.Table,
        *,
        replace: bool = True,
        layout: TableLayout = PLAIN,
        request: str | None = None,
    ) -> JobStats:
        """Write an Arrow table in one transaction; times without a zone are UTC."""
        table = for_load(rows, str(target))
        check_layout(f"load {target}", target, layout, {f.name: google_type(f.type) for f in table.schema})

        def write(con: duckdb.DuckDBPyConnection) -> int:
            con.register("_incoming", table)
            try:
                if replace or not _exists(con, target):
                    return _counted(con, f"CREATE OR REPLACE TABLE {_sql(target)} AS SELECT * FROM _incoming")
                names = in_columns_of(target, _columns(con, target), table).column_names
                return _counted(con, f"INSERT INTO {_sql(target)} SELECT {', '.join(map(_name, names))} FROM _incoming")
            finally:
                con.unregister("_incoming")

        return self._timed(f"load {target}", write)

    def delete_except(self, table: TableName, column: str, kept: Sequence[str]) -> None:
        """Delete the rows whose text `column` is none of `kept`, in one transaction."""
        if not kept:
            raise WarehouseError(f"delete from {table}: nothing to keep; drop the table if that is meant")
        statement = f"DELETE FROM {_sql(table)} WHERE NOT list_contains($kept, {_name(column)})"
        self._file.run(f"delete from {table}", lambda con: con.execute(statement, {"kept": list(kept)}))

    def estimate(
        self,
        sql: str,
        *,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, TableName] | None = None,
        label: str = "estimate",
    ) -> int:
        """0, once the statement and its tables have been found to be sound."""
        text, values = _translate(prepare(sql, parameters, tables, _quote, label))
        self._file.run(label, lambda con: con.execute(f"DESCRIBE {text}", values))
        return 0

    def read(self, source: TableName, *, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of a table or view as Arrow."""
        wanted = "*" if columns is None else ", ".join(_name(column) for column in columns)
        rows = self._file.run(
            f"read {source}", lambda con: con.execute(f"SELECT {wanted} FROM {_sql(source)}").to_arrow_table()
        )
        return canonical(rows, str(source))

    def move(self, source: TableName, target: TableName) -> JobStats:
        """Replace `target` by a copy of `source` in one transaction."""
        if source == target:
            raise WarehouseError(f"move: {source} is both source and target")
        label = f"move {source} to {target}"

        def copy(con: duckdb.DuckDBPyConnection) -> int:
            if _kind(con, source) == "VIEW":
                raise WarehouseError(f"{label}: {source} is a view; only a table can be moved")
            return _counted(con, f"CREATE OR REPLACE TABLE {_sql(target)} AS SELECT * FROM {_sql(source)}")

        return self._timed(label, copy)

    def create_view(self, view: TableName, sql: str, *, tables: Mapping[str, TableName] | None = None) -> None:
        """CREATE OR REPLACE VIEW."""
        text, _ = _translate(prepare(sql, None, tables, _quote, f"view {view}"))
        self._file.run(f"view {view}", lambda con: con.execute(f"CREATE OR REPLACE VIEW {_sql(view)} AS {text}"))

    def exists(self, table: TableName) -> bool:
        """Whether a table or view of this name exists."""
        return self._file.run(f"exists {table}", lambda con: _exists(con, table))

    def columns(self, table: TableName) -> dict[str, str]:
        """Column name → GoogleSQL type, in order."""
        return self._file.run(f"columns of {table}", lambda con: _columns(con, table))

    def layout_of(self, table: TableName) -> TableLayout:
        """PLAIN: rows lie in the order in which they came."""
        self.columns(table)  # a table that is not there has no layout either
        return PLAIN

    def list_tables(self, dataset: str, prefix: str = "") -> list[str]:
        """Names of tables (not views) in a dataset that start with `prefix`, sorted; none when it does not exist."""
        statement = (
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = $dataset AND NOT temporary "
            "AND starts_with(table_name, $prefix)"
        )
        found = self._file.run(
            f"tables of {dataset}",
            lambda con: con.execute(statement, {"dataset": dataset, "prefix": prefix}).fetchall(),
        )
        return sorted(name for (name,) in found)

    def drop(self, table: TableName) -> None:
        """Drop a table or view if it exists."""

        def remove(con: duckdb.DuckDBPyConnection) -> None:
            kind = _kind(con, table)
            if kind is not None:
                con.execute(f"DROP {kind} {_sql(table)}")

        self._file.run(f"drop {table}", remove)

    def has_dataset(self, dataset: str) -> bool:
        """Whether the schema exists."""
        statement = "SELECT COUNT(*) FROM duckdb_schemas() WHERE schema_name = $dataset AND NOT internal"
        name = TableName(dataset, "t").dataset
        return self._file.run(f"dataset {name}", lambda con: _counted(con, statement, {"dataset": name})) > 0

    def ensure_dataset(self, dataset: str) -> None:
        """Create the schema if it does not exist."""
        name = TableName(dataset, "t").dataset  # validates
        if name.lower() in self._file.reserved_names:
            raise WarehouseError(f"dataset {name}: DuckDB keeps this name for a database; choose another")
        self._file.run(f"dataset {name}", lambda con: con.execute(f"CREATE SCHEMA IF NOT EXISTS {_name(name)}"))

    def bytes_billed(self, since: dt.datetime, labels: Mapping[str, str], by: str) -> dict[str, int]:
        """Nothing: an embedded engine bills nobody."""
        return {}

    def stored_bytes(self, dataset: str) -> dict[str, int]:
        """Size of the file, whichever dataset is asked for: tables of all datasets share its blocks."""
        return self._file.size()

    def row_count(self, table: TableName) -> int:
        """Exact number of rows."""
        counted = self._file.run(
            f"rows of {table}", lambda con: con.execute(f"SELECT COUNT(*) FROM {_sql(table)}").fetchone()
        )
        return int(counted[0])  # type: ignore[index]

    def mark(self, table: TableName, *, time_column: str | None = None, before: dt.datetime | None = None) -> str:
        """Number of rows and the sum of their hashes: a late row moves it as a new one does, and so does a change."""
        known = self.columns(table)
        only, values = "", {}
        if time_column is not None and before is not None:
            if time_column not in known:
                raise WarehouseError(f"mark of {table}: no column {time_column}; there are {', '.join(known)}")
            only, values = f" WHERE {_name(time_column)} < $before", {"before": before}
        # A sum, not an exclusive or: a row that comes twice must not cancel itself.
        statement = f"SELECT COUNT(*), SUM(hash(_rows)) FROM (SELECT * FROM {_sql(table)}{only}) AS _rows"
        count, total = self._file.run(f"mark of {table}", lambda con: con.execute(statement, values).fetchall()[0])
        return f"{count} rows, {int(total or 0):x}"

    def _timed(self, label: str, action: Callable[[duckdb.DuckDBPyConnection], int]) -> JobStats:
        started = time.monotonic()
        rows = self._file.run(label, action)
        stats = JobStats(seconds=time.monotonic() - started, bytes_billed=0, rows=rows)
        log.info("%s: %d rows in %.2f s", label, rows, stats.seconds)
        return stats


def _translate(statement: Statement) -> tuple[str, dict[str, object]]:
    types = {name: _TYPES[v.kind] + ("[]" if v.is_list else "") for name, v in statement.parameters.items()}
    return (
        to_duckdb(statement.text, types, statement.label),
        {name: v.value for name, v in statement.parameters.items()},
    )


def _quote(table: TableName) -> str:
    return f"`{table.dataset}`.`{table.table}`"


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _sql(table: TableName) -> str:
    return f"{_name(table.dataset)}.{_name(table.table)}"


def _counted(con: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, object] | None = None) -> int:
    row = con.execute(statement, dict(values or {})).fetchone()
    return int(row[0]) if row else 0


def _kind(con: duckdb.DuckDBPyConnection, table: TableName) -> str | None:
    found = con.execute(
        "SELECT table_type FROM information_schema.tables WHERE table_schema = $dataset AND table_name = $name",
        {"dataset": table.dataset, "name": table.table},
    ).fetchone()
    return None if found is None else ("VIEW" if found[0] == "VIEW" else "TABLE")


def _exists(con: duckdb.DuckDBPyConnection, table: TableName) -> bool:
    return _kind(con, table) is not None


def _columns(con: duckdb.DuckDBPyConnection, table: TableName) -> dict[str, str]:
    schema = con.execute(f"SELECT * FROM {_sql(table)} LIMIT 0").to_arrow_table().schema
    return {field.name: google_type(canonical_type(field.type)) for field in schema}


def _duckdb_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_duckdb_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{_name(field.name)} {_duckdb_type(field.type)}' for field in kind)})"
    return "BLOB" if pa.types.is_binary(kind) else _TYPES[google_type(kind)]
