"""What a project holds, and what it cost: tables, columns, layouts, datasets, bytes; nothing here reads a row.

What belongs here: calls on metadata, and DROP. What does not: rows (bigquery.py), and how a call is made
(bigquery_connection.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from gnn_core.config.tables import TableLayout
from gnn_core.io.bigquery_api import ClientErrors, layout_of_table, type_name
from gnn_core.io.bigquery_connection import Connection
from gnn_core.io.warehouse import TableName


class Catalogue(Connection):
    """The metadata half of the Warehouse protocol."""

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
