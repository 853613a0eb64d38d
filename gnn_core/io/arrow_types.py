"""One Arrow form for all engines, and the GoogleSQL names of its types.

What belongs here: types as they leave and enter a warehouse. What does not: contracts of tables (contracts.py).
Integers are int64, floats double, texts string (never large or dictionary), dates date32, times timestamp[us, UTC];
lists and structs hold the same. GoogleSQL has no NULL array: it becomes an empty one on the way in.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from gnn_core.config.tables import TableLayout
from gnn_core.errors import WarehouseError
from gnn_core.io.warehouse import TableName

TIMESTAMP = pa.timestamp("us", tz="UTC")
_NAMES = {
    pa.int64(): "INT64",
    pa.float64(): "FLOAT64",
    pa.string(): "STRING",
    pa.bool_(): "BOOL",
    pa.date32(): "DATE",
    pa.binary(): "BYTES",
    TIMESTAMP: "TIMESTAMP",
}


def canonical_type(kind: pa.DataType) -> pa.DataType:
    """The one form in which a type travels.

    Raises:
        TypeError: there is none (a duration, a map, a time of day …).
    """
    types = pa.types
    if types.is_dictionary(kind):
        return canonical_type(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pa.list_(pa.field("item", canonical_type(kind.value_type)))
    if types.is_struct(kind):
        return pa.struct([pa.field(field.name, canonical_type(field.type)) for field in kind])
    if types.is_decimal(kind):
        return pa.int64() if kind.scale == 0 else pa.float64()
    tests = (
        (types.is_boolean, pa.bool_()),
        (types.is_integer, pa.int64()),
        (types.is_floating, pa.float64()),
        (lambda k: types.is_string(k) or types.is_large_string(k) or types.is_string_view(k), pa.string()),
        (types.is_date, pa.date32()),
        (types.is_timestamp, TIMESTAMP),
        (lambda k: types.is_binary(k) or types.is_large_binary(k) or types.is_binary_view(k), pa.binary()),
        (types.is_null, pa.int64()),  # what GoogleSQL calls a bare NULL
    )
    for test, form in tests:
        if test(kind):
            return form
    raise TypeError(str(kind))


def google_type(kind: pa.DataType) -> str:
    """GoogleSQL name of a canonical type, such as `ARRAY<STRUCT<name STRING, value INT64>>`."""
    if pa.types.is_list(kind):
        return f"ARRAY<{google_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"STRUCT<{', '.join(f'{field.name} {google_type(field.type)}' for field in kind)}>"
    return _NAMES[kind]


def canonical(rows: pa.Table, what: str) -> pa.Table:
    """`rows` with every column in its canonical type; `what` is named in errors.

    Raises:
        WarehouseError: a column has no canonical type, or a value does not fit (an integer beyond 64 bits, a
            nanosecond that microseconds cannot hold).
    """
    columns, fields = [], []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        try:
            kind = canonical_type(field.type)
            columns.append(column if column.type == kind else _cast(column, kind))
        except (TypeError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise WarehouseError(f"{what}: column {field.name} of type {field.type} does not fit: {error}") from error
        fields.append(pa.field(field.name, kind))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def for_load(rows: pa.Table, what: str) -> pa.Table:
    """Canonical rows that every engine can hold: no NULL array and no NULL inside one.

    Raises:
        WarehouseError: as `canonical`; or a column of nothing but untyped nulls, two columns of one name, no column
            at all, or a NULL element of an array.
    """
    if rows.num_columns == 0:
        raise WarehouseError(f"{what}: no columns to load")
    lowered = [name.lower() for name in rows.column_names]
    double = sorted({name for name in lowered if lowered.count(name) > 1})
    if double:
        raise WarehouseError(f"{what}: two columns are called {', '.join(double)} (case does not count)")
    for field in rows.schema:
        if pa.types.is_null(field.type):
            raise WarehouseError(f"{what}: column {field.name} holds only untyped nulls; cast it to its type")
    table = canonical(rows, what)
    for position, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            column = _without_null_lists(table.column(position), field.type)
            if any(chunk.flatten().null_count for chunk in column.chunks):
                raise WarehouseError(f"{what}: column {field.name} has an array with a NULL element")
            table = table.set_column(position, field, column)
    return table


def in_columns_of(target: TableName, present: Mapping[str, str], rows: pa.Table) -> pa.Table:
    """Canonical rows to append, in the order of the table's columns; `present` is name → GoogleSQL type.

    Raises:
        WarehouseError: they have not exactly these columns and types; names both.
    """
    offered = {field.name: google_type(field.type) for field in rows.schema}
    if offered != dict(present):
        raise WarehouseError(f"{target}: rows to append have columns {offered}, the table has {dict(present)}")
    return rows.select(list(present))


def check_layout(label: str, target: object, layout: TableLayout, columns: Mapping[str, str]) -> None:
    """A layout names columns of its table, and a partition needs a time; `columns` is name → GoogleSQL type.

    Raises:
        WarehouseError: it does not; the same words on every engine, so that a slip shows before the cloud.
    """
    types = {name.lower(): kind for name, kind in columns.items()}
    missing = [name for name in layout.columns if name.lower() not in types]
    if missing:
        raise WarehouseError(f"{label}: its layout names {', '.join(missing)}, no column of {target}")
    if layout.column and types[layout.column.lower()] != "TIMESTAMP":
        kind = types[layout.column.lower()]
        raise WarehouseError(f"{label}: {target} is to be partitioned by {layout.column}, a {kind}: only TIMESTAMP")


def missing_dataset(label: str, dataset: str) -> WarehouseError:
    """The same words on every engine."""
    return WarehouseError(f"{label}: dataset {dataset} does not exist; create it with ensure_dataset")


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(kind)


def _without_null_lists(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.null_count == 0:
        return column
    chunks = []
    for chunk in column.chunks:
        lengths = pc.fill_null(pc.list_value_length(chunk), 0).cast(pa.int32())
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
        chunks.append(pa.ListArray.from_arrays(offsets, chunk.flatten(), type=kind))
    return pa.chunked_array(chunks, type=kind)
