"""The warehouse in the cloud: google-cloud-bigquery for jobs, the Storage Read API for rows.

What belongs here: the BigQuery side of the Warehouse protocol. What does not: SQL text and parameters (sql.py).
Writes are load jobs, copy jobs and CREATE OR REPLACE TABLE: each is atomic in BigQuery. The client repeats a query on a
passing fault, which is safe for a SELECT, a DELETE of named rows and CREATE OR REPLACE. Loads and copies carry a job id
of their own (bigquery_jobs.py), so that a request which is repeated, or whose answer was lost, does not run twice.
Credentials come from the environment (Application Default Credentials) and are never read here.
"""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery, bigquery_storage
from google.cloud.bigquery.retry import DEFAULT_RETRY

from gnn_core.config.data import WarehouseSettings
from gnn_core.config.tables import PLAIN, TableLayout
from gnn_core.errors import WarehouseError
from gnn_core.io.arrow_types import canonical, check_layout, for_load, google_type, in_columns_of
from gnn_core.io.bigquery_api import (
    ClientErrors,
    clustering,
    layout_of_table,
    partitioning,
    query_parameter,
    quoted_column,
    schema_field,
    table_options,
    type_name,
)
from gnn_core.io.bigquery_jobs import derived_job_id, fresh_job_id, run_once
from gnn_core.io.sql import Statement, prepare
from gnn_core.io.warehouse import JobStats, TableName, label_value

log = logging.getLogger(__name__)


class BigQueryWarehouse:
    """A Warehouse in the project `warehouse.project`.

    Args:
        settings: project, location, cap on billed bytes, time limit and labels of every job.
        client, storage_client: ready clients (an emulator, a test); made from the environment when absent.
        results_over_storage: False reads the rows of a query through REST: for an emulator whose Storage side knows
            tables but no results. Tables are read through Storage either way.
    Raises:
        WarehouseError: no project in the settings, or no credentials in the environment.
    """

    engine = "bigquery"

    def __init__(
        self,
        settings: WarehouseSettings,
        *,
        client: bigquery.Client | None = None,
        storage_client: bigquery_storage.BigQueryReadClient | None = None,
        results_over_storage: bool = True,
    ) -> None:
        if not settings.project:
            raise WarehouseError("warehouse.project is empty; BigQuery needs the project that is billed")
        self._settings = settings
        self._project = settings.project
        self._results_over_storage = results_over_storage
        # The client's own limit is ten minutes, whatever the settings say.
        self._retry = DEFAULT_RETRY.with_timeout(settings.job_timeout_s)
        try:
            self._client = client or bigquery.Client(project=settings.project, location=settings.location)
            self._storage = storage_client or bigquery_storage.BigQueryReadClient()
        except GoogleAuthError as error:
            raise WarehouseError(f"no credentials for BigQuery in the environment: {error}") from error

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

    def exists(self, table: TableName) -> bool:
        """Whether a table or view of this name exists."""
        with ClientErrors(f"exists {table}", self._settings):
            return self._table(table) is not None

    def columns(self, table: TableName) -> dict[str, str]:
        """Column name → GoogleSQL type, in order."""
        with ClientErrors(f"columns of {table}", self._settings):
            return {
                field.name: type_name(field)
                for field in self._client.get_table(self._id(table), retry=self._retry).schema
            }

    def layout_of(self, table: TableName) -> TableLayout:
        """Partition and clustering as BigQuery reports them."""
        with ClientErrors(f"layout of {table}", self._settings):
            return layout_of_table(self._client.get_table(self._id(table), retry=self._retry))

    def list_tables(self, dataset: str, prefix: str = "") -> list[str]:
        """Names of tables (not views) in a dataset that start with `prefix`, sorted; none when it does not exist."""
        reference = f"{self._project}.{TableName(dataset, 't').dataset}"
        with ClientErrors(f"tables of {dataset}", self._settings):
            try:
                found = list(self._client.list_tables(reference, retry=self._retry))
            except NotFound:
                return []
        return sorted(
            item.table_id for item in found if item.table_type == "TABLE" and item.table_id.startswith(prefix)
        )

    def bytes_billed(self, since: dt.datetime, labels: Mapping[str, str], by: str) -> dict[str, int]:
        """Bytes billed for queries since a moment that carry these labels, by the value of `by`.

        Of all identities, since steps run under several; that needs bigquery.jobs.listAll (BigQuery Resource Viewer).
        """
        found: dict[str, int] = {}
        with ClientErrors("bytes billed", self._settings):
            for job in self._client.list_jobs(min_creation_time=since, all_users=True, retry=self._retry):
                own = job.labels or {}
                if by not in own or any(own.get(key) != value for key, value in labels.items()):
                    continue
                # Load and copy jobs bill nothing, and say nothing about it.
                found[own[by]] = found.get(own[by], 0) + int(getattr(job, "total_bytes_billed", None) or 0)
        return found

    def stored_bytes(self, dataset: str) -> dict[str, int]:
        """Logical bytes of each table, from the tables' own statistics."""
        sizes = {}
        for name in self.list_tables(dataset):
            with ClientErrors(f"size of {dataset}.{name}", self._settings):
                table = self._client.get_table(self._id(TableName(dataset, name)), retry=self._retry)
            sizes[name] = int(table.num_bytes or 0)
        return sizes

    def drop(self, table: TableName) -> None:
        """Drop a table or view if it exists."""
        with ClientErrors(f"drop {table}", self._settings):
            try:
                kind = self._client.get_table(self._id(table), retry=self._retry).table_type
            except NotFound:
                return
            # tables.delete takes views too, but not on every emulator: DROP does, everywhere.
            word = "VIEW" if kind == "VIEW" else "TABLE"
            job = self._client.query(
                f"DROP {word} IF EXISTS {self._quote(table)}", location=self._settings.location, retry=self._retry
            )
            self._finish(job)

    def has_dataset(self, dataset: str) -> bool:
        """Whether the dataset exists."""
        with ClientErrors(f"dataset {dataset}", self._settings):
            try:
                self._client.get_dataset(f"{self._project}.{TableName(dataset, 't').dataset}", retry=self._retry)
            except NotFound:
                return False
            return True

    def ensure_dataset(self, dataset: str) -> None:
        """Create the dataset in `warehouse.location` if it does not exist."""
        wanted = bigquery.Dataset(f"{self._project}.{TableName(dataset, 't').dataset}")
        wanted.location = self._settings.location
        with ClientErrors(f"dataset {dataset}", self._settings):
            self._client.create_dataset(wanted, exists_ok=True, retry=self._retry)

    def row_count(self, table: TableName) -> int:
        """Exact number of rows, counted by a query."""
        rows = self.query("SELECT COUNT(*) AS n FROM {table}", tables={"table": table}, label=f"rows of {table}")
        return int(rows["n"][0].as_py())

    def mark(self, table: TableName, *, time_column: str | None = None, before: dt.datetime | None = None) -> str:
        """When a partition of the table last changed and how many rows there are, from metadata; of partitions before a
        day, where the table is partitioned by `time_column`. Rows in the streaming buffer count when they leave it.

        Raises:
            WarehouseError: it is a view, of which BigQuery does not know when its rows changed.
        """
        label = f"mark of {table}"
        with ClientErrors(label, self._settings):
            found = self._client.get_table(self._id(table), retry=self._retry)
        if found.table_type != "TABLE":
            raise WarehouseError(
                f"{label}: it is a {found.table_type.lower()}, of which nobody knows when its rows changed; make it a "
                "table, or switch the sensor new_data_are_refreshed off and rely on the weekly schedule"
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

    def _quote(self, table: TableName) -> str:
        return f"`{self._project}.{table.dataset}.{table.table}`"

    def _id(self, table: TableName) -> str:
        return f"{self._project}.{table.dataset}.{table.table}"

    def _labels(self, label: str) -> dict[str, str]:
        return {**self._settings.labels, "statement": label_value(label)}

    def _table(self, table: TableName) -> Any:
        """What BigQuery knows of a table or view; None when there is none."""
        try:
            return self._client.get_table(self._id(table), retry=self._retry)
        except NotFound:
            return None

    def _start(self, text: str, statement: Statement) -> Any:
        config = self._query_config(statement)
        return self._client.query(text, job_config=config, location=self._settings.location, retry=self._retry)

    def _query_config(self, statement: Statement) -> bigquery.QueryJobConfig:
        return bigquery.QueryJobConfig(
            query_parameters=[query_parameter(name, value) for name, value in statement.parameters.items()],
            maximum_bytes_billed=self._settings.maximum_bytes_billed,
            labels=self._labels(statement.label),
            job_timeout_ms=int(self._settings.job_timeout_s * 1000),
        )

    def _finish(self, job: Any) -> Any:
        try:
            return job.result(timeout=self._settings.job_timeout_s)
        except concurrent.futures.TimeoutError:
            job.cancel()
            raise

    def _log(self, label: str, started: float, job: Any, rows: int | None) -> JobStats:
        billed = int(getattr(job, "total_bytes_billed", None) or 0)
        stats = JobStats(seconds=time.monotonic() - started, bytes_billed=billed, rows=rows)
        log.info("%s: %.2f s, %d bytes billed", label, stats.seconds, billed)
        return stats
