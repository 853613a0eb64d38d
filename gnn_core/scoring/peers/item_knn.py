"""Item–item neighbours: what people did who did what you did, asked with the row's own recent history.

Shape letters: R rows of a block, A audience rows, U users, P products.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config import PeerSettings
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.peers.counts import decay, event_weights, summed
from gnn_core.scoring.peers.silent import over_silent
from gnn_core.snapshot import Int, Snapshot

_BLOCK_PRODUCTS = 512
_VALUE, _ROW = np.uint64(20), np.uint64(52)
_ALL_BITS, _COLUMNS = np.uint64(2**32 - 1), np.uint64(2**20 - 1)


class ItemKnn:
    """A Recommender: cosine between products over users, with shrinkage, queried with the row's own events,

        x_ui   = log(1 + Σ event weights of user u on product i)
        sim_ij = x_i · x_j / (|x_i| |x_j| + shrinkage)
        q_i    = Σ event weight × exp(−age / tau), age counted back from the row's latest event
        score_j = Σ_i q_i · sim_ij, then scaled to a best score of 1 a row

    Rows of history-less users, and products that no neighbour speaks for, are ordered by the model given as `silent`
    (the smoother, which `fit` and `prepare` pass everything on to).
    """

    name = "item_knn"

    def __init__(
        self,
        settings: PeerSettings,
        weights: Mapping[str, float],
        eligible_P: NDArray[np.bool_],
        *,
        silent: Recommender,
    ) -> None:
        """`weights` are `graph.event_weights`; only products that are eligible are anyone's neighbours."""
        self._settings, self._weights, self._eligible_P, self._silent = settings, weights, eligible_P, silent

    def fit(self, train: Snapshot) -> None:
        """Similarities of all products that anyone touched before the cutoff."""
        self._silent.fit(train)
        events = train.events.between(None, train.as_of)
        shape = (len(train.user_ids), len(train.product_ids))
        x_UP = summed(events.user_E, events.product_E, event_weights(events, self._weights), shape)
        x_UP.data = np.log1p(x_UP.data)
        self._similar_PP = _similarities(x_UP, self._eligible_P, self._settings)

    def prepare(self, audience: Audience) -> None:
        """The decayed history of each row as a query."""
        self._silent.prepare(audience)
        events = audience.history.between(None, audience.as_of)
        weight = event_weights(events, self._weights) * decay(events, self._settings.item_knn_decay_tau_days)
        self._query_AP = summed(events.user_E, events.product_E, weight, (len(audience), self._similar_PP.shape[0]))

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) the fallback's scores for cold rows; neighbours plus a trace of the fallback for the others."""
        found = np.asarray((self._query_AP[start:stop] @ self._similar_PP).toarray(), dtype=np.float32)
        return over_silent(self._silent.score_block(start, stop), found)


def _similarities(x_UP: sparse.csr_matrix, eligible_P: NDArray[np.bool_], settings: PeerSettings) -> sparse.csr_matrix:
    """(P, P) the strongest neighbours of each product, ties by lower index; block by block, never dense as a whole."""
    n_P = x_UP.shape[1]
    norm_P = np.sqrt(np.asarray(x_UP.multiply(x_UP).sum(axis=0)).ravel())
    touched = np.flatnonzero(norm_P)
    x_PU = x_UP.T.tocsr()
    rows, columns, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for start in range(0, len(touched), _BLOCK_PRODUCTS):
        block = touched[start : start + _BLOCK_PRODUCTS]
        joint = sparse.csr_matrix(x_PU[block] @ x_UP)
        place, index = np.repeat(np.arange(len(block)), np.diff(joint.indptr)), joint.indices.astype(np.int64)
        norms = norm_P[block][place] * norm_P[index] + settings.item_knn_shrinkage
        value = (joint.data / np.maximum(norms, 1e-12)).astype(np.float32)
        keep = (value > 0) & eligible_P[index]
        if not settings.item_knn_own_history:
            keep &= block[place] != index
        place, index, value = _strongest(place[keep], index[keep], value[keep], settings.item_knn_neighbours)
        rows.append(block[place])
        columns.append(index)
        values.append(value)
    return summed(np.concatenate(rows), np.concatenate(columns), np.concatenate(values), (n_P, n_P))


def _strongest(row_N: Int, column_N: Int, value_N: NDArray[np.float32], n: int) -> tuple[Int, Int, NDArray[np.float32]]:
    """The n largest of each row's positive values, ties to the lower column; rows below 4,096, columns below 2^20.

    Row, falling value and column travel as one integer: bits of positive floats are in their order, and one sort of
    integers takes a fifth of the time of sorting by three keys.
    """
    falling = _ALL_BITS - value_N.view(np.uint32).astype(np.uint64)
    keys = np.sort((row_N.astype(np.uint64) << _ROW) | (falling << _VALUE) | column_N.astype(np.uint64))
    row = (keys >> _ROW).astype(np.int64)
    best = np.arange(len(row)) - np.searchsorted(row, row) < n
    keys = keys[best]
    value = (_ALL_BITS - ((keys >> _VALUE) & _ALL_BITS)).astype(np.uint32).view(np.float32)
    return row[best], (keys & _COLUMNS).astype(np.int64), value
