"""Counts that several peers share; all of them before the snapshot's moment.

Shape letters: U users, P products, S segments (make/model), M makes, A audience rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.contracts import EVENT_TYPES
from gnn_core.snapshot import ORDER, Events, Int, Snapshot

MICROS_PER_DAY = 86_400_000_000.0


def orders_UP(train: Snapshot) -> sparse.csr_matrix:
    """(U, P) number of order lines of each user for each product before `train.as_of`."""
    events = train.events.between(None, train.as_of)
    orders = events.take(events.kind_E == ORDER)
    return summed(orders.user_E, orders.product_E, np.ones(len(orders)), (len(train.user_ids), len(train.product_ids)))


def by_owners(values_UP: sparse.csr_matrix, owns_UG: sparse.csr_matrix) -> sparse.csr_matrix:
    """(G, P) sums over each group's owners. A user who owns several groups counts in each of them, once."""
    summed = sparse.csr_matrix(owns_UG.T.astype(np.float64) @ values_UP)
    summed.sort_indices()
    return summed


def event_weights(history: Events, weights: Mapping[str, float]) -> NDArray[np.float64]:
    """(E,) weight of each event by its kind."""
    return np.array([weights[kind] for kind in EVENT_TYPES], dtype=np.float64)[history.kind_E]


def decay(history: Events, tau_days: float) -> NDArray[np.float64]:
    """(E,) exp(−age / tau), age counted back from the latest event of the same user (or row).

    Counted from the moment of scoring it would only be one more factor for the whole row, and would vanish for a row
    whose last event is years old.
    """
    latest = np.full(int(history.user_E.max(initial=-1)) + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, history.user_E, history.ts_E)
    return np.exp(-(latest[history.user_E] - history.ts_E) / MICROS_PER_DAY / tau_days)


def summed(row: Int, column: Int, values: NDArray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Sparse matrix of values added up by cell, columns sorted, so that the same data give the same bytes."""
    matrix = sparse.csr_matrix((values, (row, column)), shape=shape)
    matrix.sum_duplicates()
    return matrix
