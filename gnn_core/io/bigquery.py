"""The warehouse in the cloud: google-cloud-bigquery for jobs, the Storage Read API for rows.

What belongs here: rows in, rows out, and the marks of a table's rows. What does not: SQL text and parameters (sql.py),
metadata (bigquery_catalogue.py), clients, limits and labels (bigquery_connection.py).
Writes are load jobs, copy jobs and CREATE OR REPLACE TABLE: each is atomic in BigQuery. The client repeats a query on a
passing fault, which is safe for a SELECT, a DELETE of named rows and CREATE OR REPLACE. Loads and copies carry a job id
of their own (bigquery_jobs.py), so that a request which is repeated, or whose answer was lost, does not run twice.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery

from gnn_core.config.tables import PLAIN, TableLayout
from gnn_core.errors import WarehouseError
from gnn_core.io.arrow_types import canonical, check_layout, for_load, google_type, in_columns_of
from gnn_core.io.bigquery_api import (
    ClientErrors,
    clustering,
    partitioning,
    quoted_column,
    schema_field,
    table_options,
    type_name,
)
from gnn_core.io.bigquery_catalogue import Catalogue
from gnn_core.io.bigquery_jobs import derived_job_id, fresh_job_id, run_once
from gnn_core.io.sql import prepare
from gnn_core.io.untracked import UntrackedRowsError
from gnn_core.io.warehouse import JobStats, TableName


class BigQueryWarehouse(Catalogue):
    """A Warehouse in the project `warehouse.project`; arguments as of Connection."""

    engine = "bigquery"

    def query(
        self,
        sql: str,
        *,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, TableName] | None = None,
        label: str = "query",
    ) -> pa.Table:
        """Run a SELECT and return all rows as Arrow, read through the Storage Read API."""
        statement = prepare(sql, parameters, tables, self._quote, label)
        started = time.monotonic()
        with ClientErrors(label, self._settings):
            job = self._start(statement.text, statement)
            reader = self._storage if self._results_over_storage else None
            rows = self._finish(job).to_arrow(bqstorage_client=reader, create_bqstorage_client=False)
        self._log(label, started, job, rows.num_rows)
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
        """CREATE OR REPLACE TABLE target … AS sql. `rows` of the result is None: BigQuery does not say."""
        statement = prepare(sql, parameters, tables, self._quote, label)
        options = table_options(layout, label)
        started = time.monotonic()
        with ClientErrors(label, self._settings, target):
            job = self._start(f"CREATE OR REPLACE TABLE {self._quote(target)}{options} AS\n{statement.text}", statement)
            self._finish(job)
        return self._log(label, started, job, None)

    def create_table(self, target: TableName, schema: pa.Schema, *, layout: TableLayout = PLAIN) -> None:
        """Create an empty table, with the labels of the settings, unless one of this name exists."""
        label, rows = f"create {target}", for_load(schema.empty_table(), str(target))
        check_layout(label, target, layout, {f.name: google_type(f.type) for f in rows.schema})
        wanted = bigquery.Table(self._id(target), schema=[schema_field(f.name, f.type) for f in rows.schema])
        wanted.time_partitioning = partitioning(layout)
        wanted.clustering_fields = clustering(layout)
        wanted.labels = dict(self._settings.labels)
        with ClientErrors(label, self._settings, target):
            self._client.create_table(wanted, exists_ok=True, retry=self._retry)

    def load(
        self,
        target: TableName,
        rows: pa.Table,
        *,
        replace: bool = True,
        layout: TableLayout = PLAIN,
        request: str | None = None,
    ) -> JobStats:
        """Write an Arrow table with one load job of Parquet; times without a zone are UTC."""
        label, table = f"load {target}", for_load(rows, str(target))
        check_layout(label, target, layout, {f.name: google_type(f.type) for f in table.schema})
        present = None if replace else self._table(target)
        if present is not None:
            table = in_columns_of(target, {field.name: type_name(field) for field in present.schema}, table)
        config = bigquery.LoadJobConfig(
            schema=[schema_field(field.name, field.type) for field in table.schema],
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition="WRITE_TRUNCATE" if replace else "WRITE_APPEND",
            labels=self._labels("load"),
            job_timeout_ms=int(self._settings.job_timeout_s * 1000),
        )
        if present is None and layout != PLAIN:
            config.time_partitioning, config.clustering_fields = partitioning(layout), clustering(layout)
        config.parquet_options = bigquery.format_options.ParquetOptions()
        config.parquet_options.enable_list_inference = True
        started = time.monotonic()
        with ClientErrors(label, self._settings, target), tempfile.TemporaryFile() as file:
            pq.write_table(table, file)
            job_id = fresh_job_id(label) if request is None else derived_job_id(label, present, request)

            def begin(job_id: str) -> Any:
                # Without a size the client uploads in chunks, which every file size survives.
                return self._client.load_table_from_file(
                    file,
                    self._id(target),
                    rewind=True,
                    job_id=job_id,
                    location=self._settings.location,
                    job_config=config,
                )

            job = run_once(self._client, job_id, self._settings, begin, self._finish)
        return self._log(label, started, job, table.num_rows)

    def delete_except(self, table: TableName, column: str, kept: Sequence[str]) -> None:
        """Delete the rows whose text `column` is none of `kept`: one DELETE, which may be repeated."""
        label = f"delete from {table}"
        if not kept:
            raise WarehouseError(f"{label}: nothing to keep; drop the table if that is meant")
        where = f"WHERE {quoted_column(column, label)} NOT IN UNNEST(@kept)"
        statement = prepare(
            f"SELECT 1 AS one FROM {{t}} {where}", {"kept": list(kept)}, {"t": table}, self._quote, label
        )
        with ClientErrors(label, self._settings):
            self._finish(self._start(f"DELETE FROM {self._quote(table)} {where}", statement))

    def estimate(
        self,
        sql: str,
        *,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, TableName] | None = None,
        label: str = "estimate",
    ) -> int:
        """Bytes that a dry run of the SELECT says it would process. Costs nothing, runs nothing."""
        statement = prepare(sql, parameters, tables, self._quote, label)
        config = self._query_config(statement)
        config.dry_run, config.use_query_cache = True, False
        with ClientErrors(label, self._settings):
            job = self._client.query(
                statement.text, job_config=config, location=self._settings.location, retry=self._retry
            )
        return int(job.total_bytes_processed or 0)

    def read(self, source: TableName, *, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of a table as Arrow, without a query; a view costs one."""
        label = f"read {source}"
        with ClientErrors(label, self._settings):
            table = self._client.get_table(self._id(source), retry=self._retry)
            known = {field.name.lower(): field for field in table.schema}
            unknown = [name for name in columns or () if name.lower() not in known]
            if unknown:
                raise WarehouseError(f"{label}: no column {', '.join(unknown)}; there are {', '.join(known)}")
            if table.table_type != "TABLE":
                wanted = "*" if columns is None else ", ".join(quoted_column(name, label) for name in columns)
                return self.query(f"SELECT {wanted} FROM {{source}}", tables={"source": source}, label=label)
            fields = None if columns is None else [known[name.lower()] for name in columns]
            rows = self._client.list_rows(table.reference, selected_fields=fields or table.schema).to_arrow(
                bqstorage_client=self._storage, create_bqstorage_client=False
            )
        return canonical(rows if columns is None else rows.select([known[n.lower()].name for n in columns]), label)

    def move(self, source: TableName, target: TableName) -> JobStats:
        """Replace `target` by a copy of `source`: one WRITE_TRUNCATE copy job, atomic on completion."""
        if source == target:
            raise WarehouseError(f"move: {source} is both source and target")
        label = f"move {source} to {target}"
        config = bigquery.CopyJobConfig(write_disposition="WRITE_TRUNCATE", labels=self._labels("move"))
        started = time.monotonic()
        with ClientErrors(label, self._settings, target):
            if self._client.get_table(self._id(source), retry=self._retry).table_type != "TABLE":
                raise WarehouseError(f"{label}: {source} is a view; only a table can be moved")

            def begin(job_id: str) -> Any:
                return self._client.copy_table(
                    self._id(source),
                    self._id(target),
                    job_id=job_id,
                    location=self._settings.location,
                    job_config=config,
                    retry=self._retry,
                )

            job = run_once(self._client, fresh_job_id(label), self._settings, begin, self._finish)
        return self._log(label, started, job, None)

    def create_view(self, view: TableName, sql: str, *, tables: Mapping[str, TableName] | None = None) -> None:
        """CREATE OR REPLACE VIEW."""
        label = f"view {view}"
        statement = prepare(sql, None, tables, self._quote, label)
        with ClientErrors(label, self._settings, view):
            self._finish(self._start(f"CREATE OR REPLACE VIEW {self._quote(view)} AS\n{statement.text}", statement))

    def row_count(self, table: TableName) -> int:
        """Exact number of rows, counted by a query."""
        rows = self.query("SELECT COUNT(*) AS n FROM {table}", tables={"table": table}, label=f"rows of {table}")
        return int(rows["n"][0].as_py())

    def mark(self, table: TableName, *, time_column: str | None = None, before: dt.datetime | None = None) -> str:
        """When a partition of the table last changed and how many rows there are, from metadata; of partitions before a
        day, where the table is partitioned by `time_column`. Rows in the streaming buffer count when they leave it.

        Raises:
            UntrackedRowsError: it is a view, of which BigQuery does not know when its rows changed.
        """
        label = f"mark of {table}"
        with ClientErrors(label, self._settings):
            found = self._client.get_table(self._id(table), retry=self._retry)
        if found.table_type != "TABLE":
            raise UntrackedRowsError(
                f"{label}: it is a {found.table_type.lower()}, of which nobody knows when its rows changed; make it a "
                "table, or leave the week to the schedule every_monday"
            )
        by = found.time_partitioning.field if found.time_partitioning else None
        parameters: dict[str, object] = {"name": table.table, "buffer": "__UNPARTITIONED__"}
        only = ""
        if before is not None and by is not None and by == time_column:
            # Ids are yyyymm, yyyymmdd or yyyymmddhh: as texts they sort by time, __NULL__ behind all of them.
            only, parameters["day"] = " AND (partition_id < @day OR partition_id = '__NULL__')", f"{before:%Y%m%d}"
        rows = self.query(
            "SELECT MAX(last_modified_time) AS changed, SUM(total_rows) AS n "
            f"FROM `{self._project}.{table.dataset}.INFORMATION_SCHEMA.PARTITIONS` "
            f"WHERE table_name = @name AND COALESCE(partition_id, '') != @buffer{only}",
            parameters=parameters,
            label=label,
        )
        changed, n = rows["changed"][0].as_py(), rows["n"][0].as_py()
        return f"changed {changed.isoformat()}, {n} rows" if changed else "no partition yet"
