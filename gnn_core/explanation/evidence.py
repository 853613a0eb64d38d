"""What the graph of a snapshot holds along each kind of path, as counts that single pairs are looked up in.

What belongs here: counting people and joint orders. What does not: which path is told (choose.py).

Counts are of distinct people with an event of any kind. Nothing here is users × products: what users touched is sparse,
and what owners touched is segments × products, sparse as well.

Shape letters: U users, S segments, P products, V vehicles, N asked pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config import GraphSettings
from gnn_core.graph.copurchase import count_joint_orders, prune
from gnn_core.snapshot import Int, Snapshot

_CHUNK_PAIRS = 20_000


class GraphEvidence:
    """Counts along the paths of one snapshot, all of events before its `as_of`."""

    def __init__(self, train: Snapshot, settings: GraphSettings) -> None:
        n_U, n_P = len(train.user_ids), len(train.product_ids)
        events = train.events.between(None, train.as_of)
        key, first = np.unique(events.user_E * np.int64(n_P) + events.product_E, return_index=True)
        strongest = np.full(len(key), -1, dtype=np.int64)
        np.maximum.at(strongest, np.searchsorted(key, events.user_E * np.int64(n_P) + events.product_E), events.kind_E)
        user, product = events.user_E[first], events.product_E[first]
        # Kinds are stored plus one, so that a view is not an empty cell.
        self.kind_UP = sparse.csr_matrix((strongest + 1, (user, product)), shape=(n_U, n_P))
        """(U, P) strongest kind of event plus one, of every pair that has any."""
        self._touched_PU = _ones(self.kind_UP).T.tocsr()
        self._owners_SP = sparse.csr_matrix(_ones(train.owns_US).T @ _ones(self.kind_UP))
        self._fitting_SP = _owners_it_fits(train, user, product)
        self._fitting_P = _people_it_fits(train, user, product)
        edges = prune(count_joint_orders(events, n_P), n_P, settings)
        self._joint_PP = sparse.csr_matrix((edges.weight_C, (edges.source_C, edges.target_C)), shape=(n_P, n_P))

    def kind(self, user_N: Int, product_N: Int) -> Int:
        """(N,) strongest kind of event that the user has with the product (snapshot.VIEW …), −1 without any."""
        return _at(self.kind_UP, user_N, product_N).astype(np.int64) - 1

    def owners(self, segment_N: Int, product_N: Int) -> Int:
        """(N,) people who own a vehicle of the make/model and have an event with the product."""
        return _at(self._owners_SP, segment_N, product_N).astype(np.int64)

    def other_owners(self, segment_N: Int, product_N: Int) -> Int:
        """(N,) people with an event who own a vehicle that the product fits, and none of this make/model."""
        return self._fitting_P[product_N] - _at(self._fitting_SP, segment_N, product_N).astype(np.int64)

    def bought_together(self, left_N: Int, right_N: Int) -> NDArray[np.bool_]:
        """(N,) whether the two products share a co-purchase edge of the graph."""
        return _at(self._joint_PP, left_N, right_N) > 0

    def people_with_both(self, left_N: Int, right_N: Int) -> Int:
        """(N,) people with an event with both products. Distinct pairs are counted once."""
        n_P = self._touched_PU.shape[0]
        key, place_N = np.unique(left_N * np.int64(n_P) + right_N, return_inverse=True)
        left, right = np.divmod(key, n_P)
        counts = [
            np.asarray(self._touched_PU[left[part]].multiply(self._touched_PU[right[part]]).sum(axis=1)).ravel()
            for part in (slice(start, start + _CHUNK_PAIRS) for start in range(0, len(key), _CHUNK_PAIRS))
        ]
        return np.concatenate(counts).astype(np.int64)[place_N] if counts else np.zeros(0, dtype=np.int64)


def _owners_it_fits(train: Snapshot, user: Int, product: Int) -> sparse.csr_matrix:
    """(S, P) people with an event who own a vehicle of the segment, of a year that the product fits."""
    person, part, vehicle = _fitting_vehicles(train, user, product)
    n_S, n_P = len(train.segment_ids), len(train.product_ids)
    key = np.unique((person * np.int64(n_S) + train.segment_V[vehicle]) * np.int64(n_P) + part)
    segment = (key // n_P) % n_S
    return sparse.csr_matrix((np.ones(len(key)), (segment, key % n_P)), shape=(n_S, n_P))


def _people_it_fits(train: Snapshot, user: Int, product: Int) -> Int:
    """(P,) people with an event who own any vehicle that the product fits."""
    person, part, _ = _fitting_vehicles(train, user, product)
    n_P = len(train.product_ids)
    return np.bincount(np.unique(person * np.int64(n_P) + part) % n_P, minlength=n_P).astype(np.int64)


def _fitting_vehicles(train: Snapshot, user: Int, product: Int) -> tuple[Int, Int, Int]:
    """User, product and vehicle of every owned vehicle that a touched product fits on year/make/model."""
    owned = np.diff(train.owns_UV.indptr)[user]
    pair = np.repeat(np.arange(len(user)), owned)
    start = np.repeat(train.owns_UV.indptr[:-1][user], owned)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(owned) - owned, owned)
    vehicle = train.owns_UV.indices[start + place].astype(np.int64)
    fits = _at(train.fits_VP, vehicle, product[pair]) > 0
    return user[pair][fits], product[pair][fits], vehicle[fits]


def _at(matrix: sparse.csr_matrix, row_N: Int, column_N: Int) -> NDArray[np.float64]:
    """(N,) values of single cells, 0 where nothing is stored."""
    csr = matrix.sorted_indices()
    have = np.repeat(np.arange(csr.shape[0], dtype=np.int64), np.diff(csr.indptr)) * csr.shape[1] + csr.indices
    if not len(have):
        return np.zeros(len(row_N))
    want = row_N * np.int64(csr.shape[1]) + column_N
    at = np.minimum(np.searchsorted(have, want), len(have) - 1)
    return np.where(have[at] == want, csr.data[at], 0).astype(np.float64)


def _ones(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    ones = sparse.csr_matrix(matrix, dtype=np.float64, copy=True)
    ones.data = np.ones_like(ones.data)
    return ones
