"""What is known of a product for a segment, with or without one user's own events.

What belongs here: counts and the features made of them. What does not: coefficients (conditional_logit.py).

Shape letters: U users, P products, S segments, M makes, T part types, N cells (any shape), X features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.scoring.peers.counts import by_owners, orders_UP, summed
from gnn_core.snapshot import ORDER, Int, Snapshot

Float = NDArray[np.float64]
FEATURES = (
    "log orders of the product",
    "log views and carts of the product",
    "log orders by owners of the segment",
    "log orders by owners of the make",
    "log lift of the segment over its make",
    "log lift of the make over everyone",
    "log lift of the part type, segment over make",
    "log lift of the part type, make over everyone",
    "log segments that it fits",
    "log price",
)
_HALF = 0.5
_Tables = tuple[sparse.csr_matrix, sparse.csr_matrix, Float]
"""Counts by product and by part type, and their total, of each row."""


@dataclass(frozen=True)
class _Level:
    """Counts at a level (segment, make, everyone) in some cells."""

    product: Float
    part_type: Float
    total: Float


class Evidence:
    """Counts of one store. Everything is undecayed; a user who owns several segments counts in each of them."""

    def __init__(self, train: Snapshot, segment_strength: float, make_strength: float) -> None:
        """Strengths: pseudo-orders of the parent level in the lifts."""
        n_P, n_T = len(train.product_ids), len(train.part_types)
        self._strengths = segment_strength, make_strength
        self._type_P, self._n_types = train.part_type_P, n_T
        self._make_S = train.make_S
        self.fits_SP, self.owns_US, self.orders_UP = train.fits_SP, train.owns_US, orders_UP(train)
        ones = np.ones(n_P)
        self._types_PT = sparse.csr_matrix((ones, (np.arange(n_P), train.part_type_P)), shape=(n_P, n_T))
        interest = train.events.between(None, train.as_of)
        interest = interest.take(interest.kind_E != ORDER)
        shape = (len(train.user_ids), n_P)
        self._interest_UP = summed(interest.user_E, interest.product_E, np.ones(len(interest)), shape)
        n_S, n_M = len(train.segment_ids), len(train.make_ids)
        make_SM = sparse.csr_matrix((np.ones(n_S), (np.arange(n_S), train.make_S)), shape=(n_S, n_M))
        owns_UM = sparse.csr_matrix(self.owns_US @ make_SM)
        owns_UM.data = np.ones_like(owns_UM.data)
        self._by_user = self._tables(self.orders_UP)
        self._by_segment = self._tables(by_owners(self.orders_UP, self.owns_US))
        self._by_make = self._tables(by_owners(self.orders_UP, owns_UM))
        self._everyone = _columns(self.orders_UP), _columns(self._by_user[1])
        self._interest_P = _columns(self._interest_UP)
        breadth_P = np.bincount(self.fits_SP.indices, minlength=n_P)
        self._log_breadth_P = np.log1p(np.where(train.universal_P, n_S, breadth_P))
        known = np.isfinite(train.price_P) & (train.price_P > 0)
        log_price = np.log(train.price_P, out=np.zeros(n_P), where=known)
        # An unknown price must not stand out; it is never recommended anyway.
        self._log_price_P = np.where(known, log_price, log_price[known].mean() if known.any() else 0.0)

    def log_orders(self, product: Int, *, without_user: Int | None = None) -> Float:
        """log(orders + ½) of each cell's product, less those of the cell's user when given."""
        return np.log(self._everyone[0][product] - self._own(self._by_user[0], without_user, product) + _HALF)

    def features(self, segment: Int, product: Int, *, without_user: Int | None = None) -> Float:
        """FEATURES of each (segment, product) cell; segment −1 is one of which nothing is known.

        Args:
            segment, product: index arrays of one shape.
            without_user: of the same shape: owners of the cell's segment whose own events are left out.
        Returns:
            That shape with a last axis of len(FEATURES).
        """
        own = self._own_level(without_user, product)
        nowhere = segment < 0
        make = np.where(nowhere, -1, self._make_S[segment])
        here = self._level(self._by_segment, segment, product, own)
        brand = self._level(self._by_make, make, product, own)
        total = self._everyone[0].sum()
        everyone = _Level(
            self._everyone[0][product] - own.product,
            self._everyone[1][self._type_P[product]] - own.part_type,
            total - own.total,
        )
        interest = self._interest_P[product] - self._own(self._interest_UP, without_user, product)
        levels = here, brand, everyone
        columns = (
            np.log(everyone.product + _HALF),
            np.log(interest + _HALF),
            np.log(here.product + _HALF),
            np.log(brand.product + _HALF),
            *self._lifts("product", levels, len(self._type_P)),
            *self._lifts("part_type", levels, self._n_types),
            self._log_breadth_P[product],
            self._log_price_P[product],
        )
        return np.stack(columns, axis=-1)

    def at(self, matrix: sparse.csr_matrix, row: Int, column: Int) -> Float:
        """Values of a sparse matrix in cells of any shape; 0 where none is stored or the row is −1."""
        inside = row.ravel() >= 0
        found = np.zeros(row.size)
        if inside.any():
            found[inside] = np.asarray(matrix[row.ravel()[inside], column.ravel()[inside]]).ravel()
        return found.reshape(row.shape)

    def _lifts(self, what: str, levels: tuple[_Level, _Level, _Level], n: int) -> tuple[Float, Float]:
        """Log lifts of segment over make and of make over everyone, each share shrunk towards its parent's.

        `what` is a count of a level, product or part_type, of which there are `n`.
        """
        (here, n_here), (brand, n_brand), (everyone, n_all) = ((getattr(level, what), level.total) for level in levels)
        k_segment, k_make = self._strengths
        base = (everyone + _HALF) / (n_all + _HALF * n)
        parent = (brand + k_make * base) / (n_brand + k_make)
        share = (here + k_segment * parent) / (n_here + k_segment)
        return np.log(share / parent), np.log(parent / base)

    def _tables(self, counts: sparse.csr_matrix) -> _Tables:
        types = sparse.csr_matrix(counts @ self._types_PT)
        types.sort_indices()
        return counts, types, np.asarray(counts.sum(axis=1)).ravel()

    def _level(self, tables: _Tables, row: Int, product: Int, own: _Level) -> _Level:
        counts, types, total = tables
        return _Level(
            self.at(counts, row, product) - own.product,
            self.at(types, row, self._type_P[product]) - own.part_type,
            np.where(row >= 0, total[row], 0) - own.total,
        )

    def _own_level(self, user: Int | None, product: Int) -> _Level:
        counts, types, total = self._by_user
        zeros = np.zeros(product.shape)
        if user is None:
            return _Level(zeros, zeros, zeros)
        return _Level(self.at(counts, user, product), self.at(types, user, self._type_P[product]), total[user])

    def _own(self, matrix: sparse.csr_matrix, user: Int | None, product: Int) -> Float:
        return np.zeros(product.shape) if user is None else self.at(matrix, user, product)


def _columns(matrix: sparse.csr_matrix) -> Float:
    return np.asarray(matrix.sum(axis=0)).ravel()
