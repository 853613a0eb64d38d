"""One project in BigQuery: clients, limits and labels of every job, how a job is started, awaited and logged.

What belongs here: what every call shares. What does not: what is asked (bigquery_catalogue.py for what there is,
bigquery.py for rows). The client repeats a query on a passing fault.
Credentials come from the environment (Application Default Credentials) and are never read here.
"""

from __future__ import annotations

import concurrent.futures
import logging
import time
from typing import Any

from google.api_core.exceptions import NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery, bigquery_storage
from google.cloud.bigquery.retry import DEFAULT_RETRY

from gnn_core.config.data import WarehouseSettings
from gnn_core.errors import WarehouseError
from gnn_core.io.bigquery_api import query_parameter
from gnn_core.io.sql import Statement
from gnn_core.io.warehouse import JobStats, TableName, label_value

log = logging.getLogger(__name__)


class Connection:
    """The project `warehouse.project`.

    Args:
        settings: project, location, cap on billed bytes, time limit and labels of every job.
        client, storage_client: ready clients (an emulator, a test); made from the environment when absent.
        results_over_storage: False reads the rows of a query through REST: for an emulator whose Storage side knows
            tables but no results. Tables are read through Storage either way.
    Raises:
        WarehouseError: no project in the settings, or no credentials in the environment.
    """

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
