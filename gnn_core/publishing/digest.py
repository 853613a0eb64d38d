"""One digest for what a recommendations table says, whichever engine holds it and in whichever order.

What belongs here: canonical bytes of the rows. What does not: what a digest is compared with (publisher.py, state.py).
Run id and moment of scoring are left out: the same lists made twice have the same digest.

Floats enter with all 64 bits. Both engines store and return them exactly, and rounding would only move the question to
the border between two rounded values; -0.0 counts as 0.0, and every NaN as the same NaN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gnn_core.errors import ContractError
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.schema import OUTSIDE_DIGEST, RECOMMENDATIONS

DIGEST_COLUMNS = tuple(name for name in RECOMMENDATIONS.names if name not in OUTSIDE_DIGEST)
_FORMAT = b"recommendations digest 3\n"
_CHUNK = 250_000


def table_digest(warehouse: Warehouse, table: TableName) -> str:
    """Digest of a table as the warehouse gives it back. See `content_digest`."""
    return content_digest(warehouse.read(table, columns=DIGEST_COLUMNS))


def content_digest(rows: pa.Table) -> str:
    """SHA-256 (hex) of the rows, independent of their order; columns outside DIGEST_COLUMNS do not count.

    Raises:
        ContractError: a column is missing, or does not convert to its declared type.
    """
    missing = [name for name in DIGEST_COLUMNS if name not in rows.column_names]
    if missing:
        raise ContractError(f"recommendations: column(s) {missing} missing; there is no digest without them")
    columns = [_declared(rows, name) for name in DIGEST_COLUMNS]
    order = _canonical_order(dict(zip(DIGEST_COLUMNS, columns, strict=True)))
    whole = hashlib.sha256(_FORMAT + str(rows.num_rows).encode())
    for name, column in zip(DIGEST_COLUMNS, columns, strict=True):
        part = hashlib.sha256(name.encode())
        for piece in _canonical_bytes(column, order):
            part.update(piece)
        whole.update(part.digest())
    return whole.hexdigest()


def _declared(rows: pa.Table, name: str) -> pa.Array:
    """A column as one array of its declared type; strings with 64-bit offsets, since a column may exceed 2 GiB."""
    declared = RECOMMENDATIONS.field(name).type
    wanted = pa.large_string() if declared == pa.string() else declared
    try:
        combined = rows[name].cast(wanted).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ContractError(
            f"recommendations, column {name}: {rows[name].type} does not convert to {declared}: {error}"
        ) from error
    return combined.combine_chunks() if isinstance(combined, pa.ChunkedArray) else combined


def _canonical_order(columns: dict[str, pa.Array]) -> NDArray[np.int64]:
    """Row order by user, then slot; rows that share both (never in a good table) by every other column."""
    keys = [_ranks(columns["user_id"]), _ranks(columns["slot"])]
    order = np.lexsort((keys[1], keys[0]))
    repeated = (np.diff(keys[0][order]) == 0) & (np.diff(keys[1][order]) == 0)
    if not repeated.any():
        return order
    keys += [_ranks(columns[name]) for name in DIGEST_COLUMNS if name not in ("user_id", "slot")]
    return np.lexsort(keys[::-1])


def _ranks(column: pa.Array) -> NDArray[np.int64]:
    """Rank of each value among the distinct ones (strings by UTF-8 bytes), null as -1."""
    if column.type == pa.float64():
        column = pa.array(_canonical_floats(column).view(np.int64), mask=_nulls(column))
    if column.type == pa.int64():
        values = column.fill_null(0).to_numpy(zero_copy_only=False)
        ranks = np.unique(values, return_inverse=True)[1]
    else:
        encoded = column.dictionary_encode()
        rank_of_code = np.empty(len(encoded.dictionary), dtype=np.int64)
        rank_of_code[pc.array_sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(encoded.dictionary))
        codes = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        ranks = rank_of_code[codes] if len(rank_of_code) else np.zeros(len(codes), dtype=np.int64)
    return np.where(_nulls(column), -1, ranks)


def _canonical_bytes(column: pa.Array, order: NDArray[np.int64]) -> Iterator[bytes | memoryview]:
    """Validity, then values in `order`, little-endian; strings as byte lengths and bytes; null as an empty value."""
    yield np.packbits(_nulls(column)[order]).tobytes()
    if column.type == pa.int64():
        ints = column.fill_null(0).to_numpy(zero_copy_only=False).astype("<i8")
        yield ints[order].tobytes()
    elif column.type == pa.float64():
        yield _canonical_floats(column).astype("<f8")[order].tobytes()
    else:
        filled = column.fill_null("")
        lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False).astype("<i8")
        yield lengths[order].tobytes()
        for start in range(0, len(order), _CHUNK):
            yield _string_bytes(filled.take(pa.array(order[start : start + _CHUNK])))


def _string_bytes(strings: pa.LargeStringArray) -> memoryview | bytes:
    offsets_buffer, data = strings.buffers()[1:]
    if data is None or len(strings) == 0:
        return b""
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[strings.offset : strings.offset + len(strings) + 1]
    return memoryview(data)[offsets[0] : offsets[-1]]


def _canonical_floats(column: pa.Array) -> NDArray[np.float64]:
    values = column.fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0  # -0.0 + 0.0 is 0.0
    return np.where(np.isnan(values), np.nan, values)


def _nulls(column: pa.Array) -> NDArray[np.bool_]:
    return column.is_null().to_numpy(zero_copy_only=False)
