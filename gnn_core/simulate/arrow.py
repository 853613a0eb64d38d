"""Source tables in Arrow: nested property lists, timestamps, and the small disfigurements of text.

What belongs here: building blocks that know nothing of users or products. What does not: which value is disfigured
(raw_*.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Int = NDArray[np.int64]
TIMESTAMP = pa.timestamp("us", tz="UTC")
PROPERTY = pa.struct(
    [
        ("property_name", pa.string()),
        ("string_value", pa.string()),
        ("long_value", pa.int64()),
        ("double_value", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Properties:
    """Properties of many rows. Each has its value in one of three places; the other two are null."""

    row: Int
    """Row that the property belongs to."""
    place: Int
    """Sorts the properties of a row."""
    name: Int
    """Code in the caller's list of names."""
    text: Int
    """Code in the caller's pool of strings, -1 for none."""
    long: Int
    has_long: NDArray[np.bool_]
    double: NDArray[np.float64]
    """NaN for none."""


def properties(
    row: Int,
    place: int | Int,
    name: int | Int,
    *,
    text: Int | None = None,
    long: Int | None = None,
    double: NDArray[np.float64] | None = None,
) -> Properties:
    """Properties with at most one kind of value each: pass -1 in `text` or NaN in `double` for none.

    `long` applies where neither text nor double is given.
    """
    n = len(row)
    text_ = np.full(n, -1, dtype=np.int64) if text is None else text
    double_ = np.full(n, np.nan) if double is None else double
    bare = (text_ < 0) & np.isnan(double_)
    has_long = bare if long is not None else np.zeros(n, dtype=bool)
    return Properties(
        row, np.broadcast_to(place, n), np.broadcast_to(name, n), text_,
        np.zeros(n, dtype=np.int64) if long is None else long, has_long, double_,
    )  # fmt: skip


def nested(parts: Sequence[Properties], n_rows: int, names: Sequence[str], pool: pa.Array) -> pa.Array:
    """One ARRAY<STRUCT<property_name, string_value, long_value, double_value>> a row, properties by `place`."""
    row = np.concatenate([p.row for p in parts])
    order = np.lexsort((np.concatenate([p.place for p in parts]), row))
    text = np.concatenate([p.text for p in parts])[order]
    has_long = np.concatenate([p.has_long for p in parts])[order]
    double = np.concatenate([p.double for p in parts])[order]
    name = np.concatenate([p.name for p in parts])[order]
    values = pa.StructArray.from_arrays(
        [
            pa.array(list(names), pa.string()).take(pa.array(name)),
            pool.take(pa.array(text, mask=text < 0)),
            pa.array(np.concatenate([p.long for p in parts])[order], mask=~has_long),
            pa.array(double, mask=np.isnan(double)),
        ],
        fields=list(PROPERTY),
    )
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def strings(values: Sequence[str] | NDArray) -> pa.Array:
    """Arrow strings; None stays null."""
    return pa.array(values, pa.string())


def timestamps(micros: Int) -> pa.Array:
    """UTC timestamps from microseconds since 1970."""
    return pa.array(micros, pa.int64()).cast(TIMESTAMP)


def styled(rng: np.random.Generator, count: int, clean: float) -> Int:
    """Writing style of each value: 0 clean with that share, else 1 lower case, 2 padded with spaces, 3 both."""
    return np.where(rng.random(count) < clean, 0, rng.integers(1, 4, count))


def written(values: NDArray[np.object_]) -> list[str]:
    """Pool of 4 × n strings: position `style × n + i` is value i in that style (see `styled`)."""
    lower = [v.lower() for v in values]
    return [*values, *lower, *(f" {v}  " for v in values), *(f"{v} " for v in lower)]
