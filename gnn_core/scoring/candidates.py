"""What each audience row may be offered, in blocks of rows; never users × products at once.

What belongs here: fitment on year/make/model, universals, past purchases. What does not: scores and lists (rank.py), or
which products are eligible (eligibility.py).

Shape letters: A audience rows, R rows of a block, P products, V vehicles, B base products.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config import ScoringSettings
from gnn_core.errors import DataError, ShapeError
from gnn_core.recommender import Audience
from gnn_core.snapshot import ORDER, Events, Int, Snapshot, micros


class Candidates:
    """Candidates and exclusions of every row of one audience.

    A product is a candidate of a row when it is eligible and fits, on year/make/model, a vehicle of the row that has at
    least `min_products_per_vehicle` eligible products (`eligibility.min_products_per_vehicle`). When
    `scoring.universal_candidates` is N > 0, the N eligible universal products with the most orders before
    `train.as_of` join the candidates of every row that has such a vehicle.
    """

    def __init__(
        self,
        train: Snapshot,
        audience: Audience,
        eligible_P: NDArray[np.bool_],
        settings: ScoringSettings,
        *,
        min_products_per_vehicle: int,
        new_products_only: bool = False,
    ) -> None:
        """Prepare the sparse tables; `new_products_only` takes away everything that the row ordered before.

        Raises:
            ShapeError: `eligible_P` is not one flag a product.
            DataError: no product is eligible at all.
        """
        n_P = len(train.product_ids)
        if eligible_P.shape != (n_P,):
            raise ShapeError(f"eligible_P has shape {eligible_P.shape}, but the snapshot has {n_P} products")
        if not eligible_P.any():
            raise DataError(f"none of {n_P} products is eligible, so nothing can be recommended to anyone")
        self.n_products = n_P
        self._fits_VP = _keep_columns(train.fits_VP, eligible_P)
        enough_V = np.diff(self._fits_VP.indptr) >= min_products_per_vehicle
        self.servable_AV = _keep_columns(audience.owns_AV, enough_V)
        """(A, V) bool: the row's vehicles that have enough eligible products."""
        self.universal = _top_universals(train, eligible_P, settings.universal_candidates)
        """Indices of the universal products that compete, ascending."""
        orders = audience.history.take(audience.history.kind_E == ORDER)
        recent = orders.take(orders.ts_E >= _days_before(audience.as_of, settings.purchase_exclusion_days))
        self._purchased_AP = _bought(recent, len(audience), train.base_P, n_P)
        self._ordered_AP = _bought(orders, len(audience), np.arange(n_P), n_P) if new_products_only else None

    def mask(self, start: int, stop: int) -> NDArray[np.bool_]:
        """(R, P) candidates of rows start ≤ row < stop, before the business rules."""
        vehicles = self.servable_AV[start:stop]
        mask = _dense(vehicles @ self._fits_VP)
        if len(self.universal):
            served = np.flatnonzero(np.diff(vehicles.indptr))
            mask[np.ix_(served, self.universal)] = True
        if self._ordered_AP is not None:
            mask &= ~_dense(self._ordered_AP[start:stop])
        return mask

    def purchased(self, start: int, stop: int) -> NDArray[np.bool_]:
        """(R, P) true where the row ordered the product, or another variant of its base product, in the last
        `scoring.purchase_exclusion_days` days before `audience.as_of`."""
        return _dense(self._purchased_AP[start:stop])


def _top_universals(train: Snapshot, eligible_P: NDArray[np.bool_], n: int) -> Int:
    """The `n` eligible universal products with the most orders, ties by lower index; ascending."""
    events = train.events.between(None, train.as_of)
    orders_P = np.bincount(events.product_E[events.kind_E == ORDER], minlength=len(eligible_P))
    universal = np.flatnonzero(train.universal_P & eligible_P)
    best = universal[np.argsort(-orders_P[universal], kind="stable")][:n]
    return np.sort(best).astype(np.int64)


def _bought(orders: Events, n_rows: int, group_P: Int, n_products: int) -> sparse.csr_matrix:
    """(A, P): the row ordered a product of the same group."""
    n_groups = int(group_P.max()) + 1 if n_products else 0
    row_group = sparse.csr_matrix(
        (np.ones(len(orders), dtype=np.float32), (orders.user_E, group_P[orders.product_E])), shape=(n_rows, n_groups)
    )
    group_product = sparse.csr_matrix(
        (np.ones(n_products, dtype=np.float32), (group_P, np.arange(n_products))), shape=(n_groups, n_products)
    )
    return (row_group @ group_product).tocsr()


def _days_before(as_of: np.datetime64, days: int) -> int:
    return micros(as_of) - days * 86_400_000_000


def _keep_columns(matrix: sparse.csr_matrix, keep: NDArray[np.bool_]) -> sparse.csr_matrix:
    kept = matrix.copy()
    kept.data = kept.data * keep[kept.indices]
    kept.eliminate_zeros()
    return kept


def _dense(matrix: sparse.spmatrix) -> NDArray[np.bool_]:
    csr = sparse.csr_matrix(matrix)
    dense = np.zeros(csr.shape, dtype=bool)
    dense[np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr)), csr.indices] = True
    return dense
