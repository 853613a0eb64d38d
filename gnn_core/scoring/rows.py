"""Lists of audience rows → rows of the `recommendations` table, joined back to users without a loop over them.

What belongs here: columns. What does not: which products are in a list (recommend.py), or the
schema of the table (publishing/schema.py).

Shape letters: A audience rows, K slots, U served users, N table rows, V vehicles, P products.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.contracts import EVENT_TYPES
from gnn_core.explanation.choose import Reasons
from gnn_core.publishing.schema import PROOFS, REASON_PATHS, RECOMMENDATIONS, conform_rows
from gnn_core.scoring.reasons import reason_texts
from gnn_core.scoring.tiers import engagement_tiers
from gnn_core.snapshot import Int, Snapshot

_CHUNK_USERS = 100_000
"""Users of one Arrow chunk: keeps every string column far below the 2 GiB that 32-bit offsets can address."""


@dataclass(frozen=True)
class Lists:
    """One policy's lists for every audience row; -1 and NaN where a list is shorter than K."""

    source: str
    product_AK: Int
    final_AK: NDArray[np.float64]
    sql_AK: NDArray[np.float64] | None
    gnn_AK: NDArray[np.float64] | None

    @property
    def length_A(self) -> Int:
        """(A,) products in each list."""
        return np.count_nonzero(self.product_AK >= 0, axis=1)


@dataclass(frozen=True)
class RowContext:
    """What every row of one run shares."""

    train: Snapshot
    run_id: str
    scored_at: dt.datetime
    pipeline_version: str


def first_fitting_vehicle(servable_AV: sparse.csr_matrix, fits_VP: sparse.csr_matrix, product_AK: Int) -> Int:
    """(A, K) lowest vehicle index of the row that the product fits; -1 where none does, or there is no product."""
    n_P = fits_VP.shape[1]
    fits = fits_VP.sorted_indices()
    known = np.repeat(np.arange(fits.shape[0], dtype=np.int64), np.diff(fits.indptr)) * n_P + fits.indices
    owns = servable_AV.sorted_indices()
    row_O = np.repeat(np.arange(owns.shape[0]), np.diff(owns.indptr))
    # (O, K): every vehicle of a row beside every product of the row.
    product_OK = product_AK[row_O]
    asked = owns.indices[:, None].astype(np.int64) * n_P + product_OK
    place = np.minimum(np.searchsorted(known, asked), max(0, len(known) - 1))
    fit_OK = (product_OK >= 0) & (known[place] == asked if len(known) else False)
    nobody = fits.shape[0]
    first = np.full(product_AK.shape, nobody, dtype=np.int64)
    np.minimum.at(first, row_O, np.where(fit_OK, owns.indices[:, None], nobody))
    return np.where(first == nobody, -1, first)


@dataclass(frozen=True)
class Proofs:
    """What each listed product is shown for."""

    vehicle_AK: Int
    """The lowest-id owned vehicle that the product fits; for a universal product the lowest that can be recommended
    for."""
    universal_AK: NDArray[np.bool_]


def prove(lists: Lists, servable_AV: sparse.csr_matrix, train: Snapshot) -> Proofs:
    """Vehicle and kind of proof of every cell of the lists; meaningless where a list has no product."""
    vehicle_AK = first_fitting_vehicle(servable_AV, train.fits_VP, lists.product_AK)
    universal_AK = vehicle_AK < 0
    has_vehicle = np.diff(servable_AV.indptr) > 0
    lowest_A = np.zeros(len(has_vehicle), dtype=np.int64)
    lowest_A[has_vehicle] = servable_AV.sorted_indices().indices[servable_AV.indptr[:-1][has_vehicle]]
    return Proofs(np.where(universal_AK, lowest_A[:, None], vehicle_AK), universal_AK)


def build_rows(
    lists: Lists,
    users: Int,
    row_U: Int,
    proofs: Proofs,
    reasons: Reasons,
    context: RowContext,
    arm_U: NDArray[np.object_],
) -> list[pa.Table]:
    """Table chunks of `users` (snapshot indices), each of whom gets the list of their audience row `row_U`.

    `arm_U` names each user's arm, None where there is none.
    """
    texts = _Texts(context.train, lists, reasons, proofs)
    return [
        _chunk(lists, users[part], row_U[part], proofs, reasons, texts, context, arm_U[part])
        for part in _parts(len(users), _CHUNK_USERS)
    ]


class _Texts:
    """String values that rows take by index."""

    def __init__(self, train: Snapshot, lists: Lists, reasons: Reasons, proofs: Proofs) -> None:
        self.user = pa.array(train.user_ids, pa.string())
        self.vehicle = pa.array(train.vehicle_ids, pa.string())
        self.product = pa.array(train.product_ids, pa.string())
        self.part_type = pa.array(train.part_types, pa.string())
        self.image = pa.array(train.products["image_url"], pa.string(), from_pandas=True)
        texts, self.reason_AK = reason_texts(reasons, lists.product_AK, proofs.vehicle_AK, proofs.universal_AK, train)
        self.reason = pa.array(texts, pa.string())
        self.path = pa.array(REASON_PATHS, pa.string())
        self.event = pa.array(EVENT_TYPES, pa.string())
        self.tier = pa.array(engagement_tiers(train), pa.string())
        self.proof = pa.array(PROOFS, pa.string())


def _chunk(
    lists: Lists,
    users: Int,
    row_U: Int,
    proofs: Proofs,
    reasons: Reasons,
    texts: _Texts,
    context: RowContext,
    arm_U: NDArray[np.object_],
) -> pa.Table:
    train = context.train
    length_U = lists.length_A[row_U]
    n_rows = int(length_U.sum())
    user_N = np.repeat(users, length_U)
    slot_N = np.arange(n_rows) - np.repeat(np.cumsum(length_U) - length_U, length_U)
    cell_N = (np.repeat(row_U, length_U), slot_N)
    product_N, vehicle_N = lists.product_AK[cell_N], proofs.vehicle_AK[cell_N]
    universal_N = proofs.universal_AK[cell_N]

    def score(values_AK: NDArray[np.float64] | None) -> pa.Array:
        return pa.nulls(n_rows, pa.float64()) if values_AK is None else pa.array(values_AK[cell_N], pa.float64())

    def same(value: object, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), n_rows)

    columns = {
        "run_id": same(context.run_id, pa.string()),
        "user_id": texts.user.take(user_N),
        "vehicle_id": texts.vehicle.take(vehicle_N),
        "slot": pa.array(slot_N + 1, pa.int64()),
        "product_id": texts.product.take(product_N),
        "final_score": score(lists.final_AK),
        "sql_score": score(lists.sql_AK),
        "gnn_score": score(lists.gnn_AK),
        "source": same(lists.source, pa.string()),
        "reason": texts.reason.take(texts.reason_AK[cell_N]),
        "reason_path": texts.path.take(reasons.path_AK[cell_N]),
        "reason_event": _taken(texts.event, reasons.event_AK[cell_N]),
        "reason_product_id": _taken(texts.product, reasons.via_AK[cell_N]),
        "price": pa.array(train.price_P[product_N], pa.float64()),
        "part_type": texts.part_type.take(train.part_type_P[product_N]),
        "image_url": texts.image.take(product_N),
        "fitment_proof": texts.proof.take(universal_N.astype(np.int64)),
        "engagement_tier": texts.tier.take(user_N),
        "arm": pa.array(arm_U, pa.string()).take(pa.array(np.repeat(np.arange(len(users)), length_U))),
        "pipeline_version": same(context.pipeline_version, pa.string()),
        "scored_at": same(context.scored_at, RECOMMENDATIONS.field("scored_at").type),
    }
    return conform_rows(pa.table({name: columns[name] for name in RECOMMENDATIONS.names}))


def _taken(values: pa.Array, index: Int) -> pa.Array:
    """Values by index, null at −1."""
    return values.take(pa.array(index, mask=index < 0))


def _parts(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
