"""Between our values and the BigQuery client's: parameters, schema fields, errors.

What belongs here: conversions without a connection. What does not: any call (bigquery.py, bigquery_catalogue.py).
"""

from __future__ import annotations

import concurrent.futures
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.cloud.exceptions import GoogleCloudError

from gnn_core.config.data import WarehouseSettings
from gnn_core.config.tables import TableLayout
from gnn_core.errors import TableNotFoundError, WarehouseError
from gnn_core.io.arrow_types import google_type, missing_dataset
from gnn_core.io.sql import TypedValue
from gnn_core.io.warehouse import TableName

_LEGACY_NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


class ClientErrors:
    """A context that turns the client's errors into ours, with the label, and with what to do where that is known.

    Args:
        label: what the operation is called.
        settings: for the limits and the project that messages name.
        target: the table being written, if one is: its dataset may be what is missing.
    """

    def __init__(self, label: str, settings: WarehouseSettings, target: TableName | None = None) -> None:
        self._label, self._settings, self._target = label, settings, target

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, concurrent.futures.TimeoutError):
            raise WarehouseError(
                f"{self._label}: not done after {self._settings.job_timeout_s:g} s (warehouse.job_timeout_s); cancelled"
            ) from error
        if isinstance(error, GoogleAPIError | GoogleCloudError | GoogleAuthError):
            raise self._translated(error) from error

    def _translated(self, error: BaseException) -> WarehouseError:
        text = str(getattr(error, "message", error))
        reasons = {str(item.get("reason")) for item in getattr(error, "errors", ()) if isinstance(item, Mapping)}
        if self._target is not None:
            dataset = rf"dataset[ :]+{re.escape(str(self._settings.project))}[:.]{self._target.dataset}\b(?!\.)"
            if re.search(dataset, text, re.IGNORECASE):
                return missing_dataset(self._label, self._target.dataset)
        if isinstance(error, NotFound):
            return TableNotFoundError(f"{self._label}: {text}")
        if "bytesBilledLimitExceeded" in reasons or "bytesBilledLimitExceeded" in text:
            return WarehouseError(
                f"{self._label}: would bill more than {self._settings.maximum_bytes_billed} bytes "
                f"(warehouse.maximum_bytes_billed): {text}"
            )
        if isinstance(error, Forbidden):
            return WarehouseError(f"{self._label}: not allowed with these credentials: {text}")
        return WarehouseError(f"{self._label}: {text}")


def query_parameter(name: str, typed: TypedValue) -> Any:
    """A typed value as a scalar or array query parameter."""
    value: Any = typed.value
    kind = bigquery.ArrayQueryParameter if typed.is_list else bigquery.ScalarQueryParameter
    return kind(name, typed.kind, value)


def quoted_column(name: str, label: str) -> str:
    """A column name in backticks; WarehouseError when it is no identifier."""
    try:
        TableName("columns", name)
    except WarehouseError as error:
        raise WarehouseError(f"{label}: column {error}") from error
    return f"`{name}`"


def schema_field(name: str, kind: pa.DataType) -> bigquery.SchemaField:
    """The explicit schema of a column to load; `kind` is canonical."""
    mode = "NULLABLE"
    if pa.types.is_list(kind):
        mode, kind = "REPEATED", kind.value_type
    if pa.types.is_struct(kind):
        return bigquery.SchemaField(name, "RECORD", mode, fields=[schema_field(f.name, f.type) for f in kind])
    return bigquery.SchemaField(name, google_type(kind), mode)


def type_name(field: bigquery.SchemaField) -> str:
    """GoogleSQL name of a column's type, such as `ARRAY<STRUCT<name STRING>>`."""
    kind = _LEGACY_NAMES.get(field.field_type, field.field_type)
    if kind == "STRUCT":
        kind = f"STRUCT<{', '.join(f'{inner.name} {type_name(inner)}' for inner in field.fields)}>"
    return f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind


def table_options(layout: TableLayout, label: str) -> str:
    """` PARTITION BY … CLUSTER BY …` of a CREATE TABLE; empty for a plain one."""
    parts = []
    if layout.column:
        parts.append(f" PARTITION BY TIMESTAMP_TRUNC({quoted_column(layout.column, label)}, {layout.unit})")
    if layout.cluster_by:
        parts.append(f" CLUSTER BY {', '.join(quoted_column(name, label) for name in layout.cluster_by)}")
    return "".join(parts)


def partitioning(layout: TableLayout) -> bigquery.TimePartitioning | None:
    """The partition of a table or load job."""
    return bigquery.TimePartitioning(type_=layout.unit, field=layout.column) if layout.column else None


def clustering(layout: TableLayout) -> list[str] | None:
    """The clustering of a table or load job."""
    return list(layout.cluster_by) or None


def layout_of_table(table: bigquery.Table) -> TableLayout:
    """How a table lies, in our words.

    Raises:
        WarehouseError: it is partitioned in a way that no layout says (by ingestion time, by hour, by a range).
    """
    time = table.time_partitioning
    if table.range_partitioning is not None or (time is not None and (time.field is None or time.type_ == "HOUR")):
        raise WarehouseError(f"{table.dataset_id}.{table.table_id} is partitioned by range, hour or ingestion time")
    by = f"{time.type_}({time.field})" if time is not None else None
    return TableLayout(by, tuple(table.clustering_fields or ()))
