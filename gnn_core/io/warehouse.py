"""What every warehouse can do, whichever engine is behind it.

What belongs here: the protocol and the value types of its methods. What does not: any engine (duckdb.py, bigquery.py).
SQL is GoogleSQL for every engine; tables are named `dataset.table`, both plain identifiers.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import pyarrow as pa

from gnn_core.config.tables import PLAIN, TableLayout
from gnn_core.errors import WarehouseError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True)
class TableName:
    """A validated `dataset.table`."""

    dataset: str
    table: str

    def __post_init__(self) -> None:
        for part in (self.dataset, self.table):
            if not _IDENTIFIER.fullmatch(part):
                raise WarehouseError(f"{part!r} is no identifier: only letters, digits and _ and not first a digit")

    def __str__(self) -> str:
        return f"{self.dataset}.{self.table}"

    @classmethod
    def parse(cls, text: str) -> TableName:
        """From `dataset.table`."""
        dataset, dot, table = text.partition(".")
        if not dot:
            raise WarehouseError(f"{text!r} is no table name; write dataset.table")
        return cls(dataset, table)


def label_value(text: str) -> str:
    """A text as the value of a job's label: lower-case letters, digits, _ and -, at most 63."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:63]


@dataclass(frozen=True)
class JobStats:
    """What one statement cost."""

    seconds: float
    bytes_billed: int
    """0 on engines that bill nothing."""
    rows: int | None = None


@runtime_checkable
class Warehouse(Protocol):
    """Tables in, tables out. Every method raises WarehouseError (or a subclass) naming table or statement.

    `parameters` are values for `@name` in the SQL: str, int, float, bool, datetime.date, datetime.datetime (UTC),
    or a non-empty list of one of those (for `UNNEST(@name)`). `tables` fills `{name}` placeholders of the SQL text with
    validated table names; nothing else is ever formatted into SQL.
    """

    engine: str

    def query(
        self,
        sql: str,
        *,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, TableName] | None = None,
        label: str = "query",
    ) -> pa.Table:
        """Run a SELECT and return all rows as Arrow (Storage Read API on BigQuery)."""

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
        """CREATE OR REPLACE TABLE target AS sql."""

    def create_table(self, target: TableName, schema: pa.Schema, *, layout: TableLayout = PLAIN) -> None:
        """Create an empty table unless one of this name exists: an existing one is left as it is."""

    def load(
        self,
        target: TableName,
        rows: pa.Table,
        *,
        replace: bool = True,
        layout: TableLayout = PLAIN,
        request: str | None = None,
    ) -> JobStats:
        """Write an Arrow table (load job on BigQuery); append when `replace` is False. Atomic: all rows or none.

        `layout` is that of a table which this call creates or replaces; rows that are appended go where the table is.
        `request` names what is asked for, rows included, so that it can be told from another: BigQuery runs a request
        that it has seen no second time, even for a process that knows nothing of the first. An embedded engine has
        nobody else at work, and takes no notice of it.
        """

    def delete_except(self, table: TableName, column: str, kept: Sequence[str]) -> None:
        """Delete the rows whose text `column` is none of `kept` (at least one), in one atomic statement."""

    def estimate(
        self,
        sql: str,
        *,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, TableName] | None = None,
        label: str = "estimate",
    ) -> int:
        """Bytes that a SELECT would read, and bill, without running it; 0 on engines that bill nothing."""

    def read(self, source: TableName, *, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of a table as Arrow."""

    def move(self, source: TableName, target: TableName) -> JobStats:
        """Replace `target` by a copy of `source` in one atomic step; a reader sees the old table or the new one.

        One WRITE_TRUNCATE copy job on BigQuery, one transaction on DuckDB. `source` stays.
        """

    def create_view(self, view: TableName, sql: str, *, tables: Mapping[str, TableName] | None = None) -> None:
        """CREATE OR REPLACE VIEW."""

    def exists(self, table: TableName) -> bool:
        """Whether a table or view of this name exists."""

    def columns(self, table: TableName) -> dict[str, str]:
        """Column name → GoogleSQL type, in order. TableNotFoundError when there is no such table."""

    def layout_of(self, table: TableName) -> TableLayout:
        """How an existing table lies; always PLAIN on engines without partitions."""

    def list_tables(self, dataset: str, prefix: str = "") -> list[str]:
        """Names of tables (not views) in a dataset that start with `prefix`, sorted."""

    def drop(self, table: TableName) -> None:
        """Drop a table or view if it exists."""

    def has_dataset(self, dataset: str) -> bool:
        """Whether the dataset (schema) exists."""

    def ensure_dataset(self, dataset: str) -> None:
        """Create the dataset (schema) if it does not exist."""

    def bytes_billed(self, since: dt.datetime, labels: Mapping[str, str], by: str) -> dict[str, int]:
        """Bytes that the engine bills for jobs since a moment that carry these labels, by the value of label `by`.

        From the engine's own statistics of jobs. Empty on an engine that bills nothing.
        """

    def stored_bytes(self, dataset: str) -> dict[str, int]:
        """Bytes of each table of a dataset; of the whole file, under its name, where tables are no files.

        Empty when there is no such dataset.
        """

    def row_count(self, table: TableName) -> int:
        """Exact number of rows, counted by a query (metadata counters go stale)."""

    def mark(self, table: TableName, *, time_column: str | None = None, before: dt.datetime | None = None) -> str:
        """A text that changes when rows of the table arrive, change or go; of rows with `time_column` < `before` only,
        where those are given and the engine can tell them apart.

        BigQuery: the newest change of a partition, from metadata. DuckDB: number and hash of the rows. Marks are
        comparable within an engine only.
        """
