"""What a user's own history says of products, term by term, each as a sparse matrix.

What belongs here: history → terms. What does not: the item graph itself (item_graph.py), the weights of the terms
(intent.py).

Terms are logarithms of what near products count, or of counts, and 0 where there is none, so that weighted sums stay
sparse.

Shape letters: R rows (users with history), P products, E events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.model.item_graph import ItemGraph
from gnn_core.snapshot import CART, ORDER, VIEW, Events, Int, micros

MICROS_PER_DAY = 86_400_000_000
STEEPNESS = 100.0
"""log(1 + 100 × weight): a weight of 0.01, one of many joint users, is where a neighbour begins to count."""


@dataclass(frozen=True)
class HistoryQueries:
    """Histories as weights over products, rows that sum to 1 (or are empty)."""

    all_RP: sparse.csr_matrix
    """Weight of the kinds, of whatever age."""
    recent_RP: sparse.csr_matrix
    """The same, decayed."""
    latest_RP: sparse.csr_matrix
    """1/(1 + n) for an event with n later moments after it."""
    counts_RP: dict[int, sparse.csr_matrix]
    """Events of each kind, undecayed, not scaled."""
    fresh_RP: sparse.csr_matrix
    """Events of any kind decayed by their age at the moment of asking, not scaled."""

    def __len__(self) -> int:
        return self.all_RP.shape[0]

    def rows(self, index: NDArray) -> HistoryQueries:
        """Some of the rows."""
        counts = {kind: matrix[index] for kind, matrix in self.counts_RP.items()}
        picked = (self.all_RP[index], self.recent_RP[index], self.latest_RP[index])
        return HistoryQueries(*picked, counts, self.fresh_RP[index])


def history_queries(
    history: Events, kinds: NDArray[np.float64], shape: tuple[int, int], as_of: np.datetime64, tau_days: float
) -> HistoryQueries:
    """HistoryQueries of histories.

    Args:
        history: events before `as_of`; `user_E` is the row.
        kinds: weight of each event kind.
        shape: (rows, products).
        tau_days: decay constant.
    """

    def matrix(weight_E: NDArray[np.floating]) -> sparse.csr_matrix:
        made = sparse.csr_matrix((weight_E, (history.user_E, history.product_E)), shape=shape)
        made.sum_duplicates()
        return made

    latest_R = np.full(shape[0], np.iinfo(np.int64).min)
    np.maximum.at(latest_R, history.user_E, history.ts_E)
    weight_E: NDArray[np.float64] = kinds[history.kind_E]
    # Counted back from the row's last event: from the moment of asking it would be one factor for the whole row.
    faded_E = np.exp(-(latest_R[history.user_E] - history.ts_E) / MICROS_PER_DAY / tau_days)
    age_E = np.exp(-(micros(as_of) - history.ts_E) / MICROS_PER_DAY / tau_days)
    return HistoryQueries(
        all_RP=_to_one(matrix(weight_E)),
        recent_RP=_to_one(matrix(weight_E * faded_E)),
        latest_RP=_to_one(matrix(1.0 / (1.0 + _moments_after(history)))),
        counts_RP={kind: matrix((history.kind_E == kind).astype(np.float64)) for kind in (VIEW, CART, ORDER)},
        fresh_RP=matrix(age_E),
    )


def history_terms(queries: HistoryQueries, items: ItemGraph) -> list[sparse.csr_matrix]:
    """One (R, P) matrix a term, in the order of TERMS."""
    terms = [
        STEEPNESS * (queries.all_RP @ items.near_PP),
        STEEPNESS * (queries.recent_RP @ items.near_PP),
        STEEPNESS * (queries.latest_RP @ items.follows_PP),
        *(queries.counts_RP[kind] for kind in (VIEW, CART, ORDER)),
        queries.fresh_RP,
    ]
    return [sparse.csr_matrix(term).log1p() for term in terms]


def _moments_after(history: Events) -> Int:
    """(E,) how many distinct later moments the event's row has."""
    moments, moment_E = np.unique(np.stack([history.user_E, history.ts_E]), axis=1, return_inverse=True)
    last = np.searchsorted(moments[0], moments[0], side="right") - 1
    return (last - np.arange(moments.shape[1]))[moment_E.ravel()]


def _to_one(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    total = np.asarray(matrix.sum(axis=1)).ravel()
    matrix.data = matrix.data / np.maximum(np.repeat(total, np.diff(matrix.indptr)), np.finfo(np.float64).tiny)
    return matrix
