"""One week's contract tables, integer-coded: what graph, models, baselines and scoring all read.

What belongs here: id ↔ index, the coded arrays, cutting at a moment in time.
What does not: features (graph/), candidates (scoring/), windows (graph/split.py).

Shape letters: U users, P products, V vehicles (year/make/model), S segments (make/model), M makes,
E events, O ownership pairs, F fitment pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.contracts import EVENT_TYPES
from gnn_core.errors import ContractError

VIEW, CART, ORDER = range(3)
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """Coded events, sorted by (ts, user, product, kind). `ts` is UTC in microseconds since 1970."""

    user_E: Int
    product_E: Int
    kind_E: NDArray[np.int8]
    ts_E: Int
    order_E: Int
    """Code of the order, -1 where there is none. One order may have several rows (products)."""
    quantity_E: Int

    def __len__(self) -> int:
        return len(self.user_E)

    def take(self, index: NDArray) -> Events:
        """The events at a boolean mask or index array."""
        return Events(**{name: values[index] for name, values in vars(self).items()})

    def between(self, start: np.datetime64 | None, end: np.datetime64 | None) -> Events:
        """Events with start <= ts < end; None leaves that side open."""
        keep = np.ones(len(self), dtype=bool)
        if start is not None:
            keep &= self.ts_E >= micros(start)
        if end is not None:
            keep &= self.ts_E < micros(end)
        return self.take(keep)


@dataclass(frozen=True)
class Snapshot:
    """A store at one moment. Index arrays are sorted by id, so a tie broken by index is broken by id."""

    user_ids: NDArray[np.object_]
    product_ids: NDArray[np.object_]
    vehicle_ids: NDArray[np.object_]
    segment_ids: NDArray[np.object_]
    make_ids: NDArray[np.object_]
    part_types: NDArray[np.object_]

    consent_U: NDArray[np.bool_]
    part_type_P: Int
    price_P: NDArray[np.float64]
    """USD; NaN where unknown."""
    base_P: Int
    """Index of the base product's group; variants of one base share it."""
    universal_P: NDArray[np.bool_]
    products: pd.DataFrame
    """The contract frame in product index order, for names, images and eligibility rules."""
    year_V: Int
    segment_V: Int
    make_S: Int

    owns_UV: sparse.csr_matrix
    """(U, V) bool: ownership at year/make/model."""
    fits_VP: sparse.csr_matrix
    """(V, P) bool: fitment at year/make/model."""
    events: Events
    as_of: np.datetime64
    """Exclusive end of what this snapshot knows, UTC."""

    @property
    def owns_US(self) -> sparse.csr_matrix:
        """(U, S) bool: ownership at make/model."""
        return _boolean(self.owns_UV @ self._segment_VS)

    @property
    def fits_SP(self) -> sparse.csr_matrix:
        """(S, P) bool: fitment at make/model, any year."""
        return _boolean(self._segment_VS.T @ self.fits_VP)

    @property
    def _segment_VS(self) -> sparse.csr_matrix:
        n_V = len(self.vehicle_ids)
        ones = np.ones(n_V, dtype=np.float32)
        return sparse.csr_matrix((ones, (np.arange(n_V), self.segment_V)), shape=(n_V, len(self.segment_ids)))

    def before(self, cutoff: np.datetime64) -> Snapshot:
        """The same store with every event at or after `cutoff` physically gone: what a model may learn from."""
        return replace(self, events=self.events.between(None, cutoff), as_of=min(self.as_of, cutoff))


def micros(moment: np.datetime64 | pd.Timestamp | str) -> int:
    """UTC microseconds since 1970 of a moment (naive = UTC)."""
    stamp = pd.Timestamp(moment)
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return int(stamp.as_unit("us").to_datetime64().astype(np.int64))  # Timestamp.value is always nanoseconds


def build_snapshot(tables: Mapping[str, pd.DataFrame], as_of: np.datetime64) -> Snapshot:
    """Code the contract tables (see contracts.py) as integers; events at or after `as_of` are left out.

    Raises:
        ContractError: an id in ownership, fitment or events is not in its parent table.
    """
    users = tables["users"].sort_values("user_id", kind="stable")
    products = tables["products"].sort_values("product_id", kind="stable").reset_index(drop=True)
    vehicles = tables["vehicles"].sort_values("vehicle_id", kind="stable")
    user_ids, product_ids, vehicle_ids = (
        f[c].to_numpy(dtype=object) for f, c in ((users, "user_id"), (products, "product_id"), (vehicles, "vehicle_id"))
    )
    segment_ids, segment_V = _unique(vehicles["segment_id"])
    first_vehicle_S = np.unique(segment_V, return_index=True)[1]
    make_ids, make_V = _unique(vehicles["make"])
    part_types, part_type_P = _unique(products["part_type"])
    _, base_P = _unique(products["base_product_id"])

    own, fit, ev = tables["ownership"], tables["fitment"], tables["events"]
    owns_UV = _pairs(own["user_id"], user_ids, own["vehicle_id"], vehicle_ids, "ownership")
    fits_VP = _pairs(fit["vehicle_id"], vehicle_ids, fit["product_id"], product_ids, "fitment")
    ts_E = _to_micros(ev["event_ts"])
    ev = ev[ts_E < micros(as_of)]
    events = Events(
        user_E=index_of(ev["user_id"], user_ids, "events.user_id"),
        product_E=index_of(ev["product_id"], product_ids, "events.product_id"),
        kind_E=pd.Categorical(ev["event_type"], categories=list(EVENT_TYPES)).codes.astype(np.int8),
        ts_E=ts_E[ts_E < micros(as_of)],
        order_E=pd.factorize(ev["order_id"], sort=True)[0].astype(np.int64),
        quantity_E=ev["quantity"].to_numpy(dtype=np.int64),
    )
    order = np.lexsort((events.order_E, events.kind_E, events.product_E, events.user_E, events.ts_E))
    return Snapshot(
        user_ids=user_ids,
        product_ids=product_ids,
        vehicle_ids=vehicle_ids,
        segment_ids=segment_ids,
        make_ids=make_ids,
        part_types=part_types,
        consent_U=users["email_consent"].to_numpy(dtype=bool),
        part_type_P=part_type_P,
        price_P=products["price"].to_numpy(dtype=np.float64),
        base_P=base_P,
        universal_P=products["is_universal"].to_numpy(dtype=bool),
        products=products,
        year_V=vehicles["year"].to_numpy(dtype=np.int64),
        segment_V=segment_V,
        make_S=make_V[first_vehicle_S],
        owns_UV=owns_UV,
        fits_VP=fits_VP,
        events=events.take(order),
        as_of=np.datetime64(pd.Timestamp(as_of).tz_localize(None), "us"),
    )


def index_of(values: pd.Series, ids: NDArray[np.object_], what: str) -> Int:
    """Position of each value in the sorted `ids`; an unknown value is an error that names it."""
    codes = pd.Index(ids).get_indexer(pd.Index(values))
    if (codes < 0).any():
        unknown = values[codes < 0]
        raise ContractError(f"{what}: {len(unknown)} value(s) without a parent row, such as {list(unknown[:3])}")
    return codes.astype(np.int64)


def _unique(values: pd.Series) -> tuple[NDArray[np.object_], Int]:
    codes, uniques = pd.factorize(values, sort=True)
    return np.asarray(uniques, dtype=object), codes.astype(np.int64)


def _to_micros(values: pd.Series) -> Int:
    stamps = pd.to_datetime(values, utc=True).dt.tz_localize(None)
    return stamps.to_numpy(dtype="datetime64[us]").astype(np.int64)


def _pairs(rows: pd.Series, row_ids: NDArray, columns: pd.Series, column_ids: NDArray, table: str) -> sparse.csr_matrix:
    r = index_of(rows, row_ids, f"{table}.{rows.name}")
    c = index_of(columns, column_ids, f"{table}.{columns.name}")
    ones = np.ones(len(r), dtype=np.float32)
    return _boolean(sparse.csr_matrix((ones, (r, c)), shape=(len(row_ids), len(column_ids))))


def _boolean(matrix: sparse.spmatrix) -> sparse.csr_matrix:
    csr = sparse.csr_matrix(matrix)
    csr.data = np.ones_like(csr.data, dtype=np.float32)
    csr.sort_indices()
    return csr
