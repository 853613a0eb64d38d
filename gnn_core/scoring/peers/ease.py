"""EASE: the linear item–item model without self-similarity, in closed form.

Shape letters: R rows of a block, A audience rows, U users with an event, P products, K kept products.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from gnn_core.config import PeerSettings
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.peers.counts import decay, event_weights, summed
from gnn_core.scoring.peers.silent import beside_own, over_silent
from gnn_core.snapshot import Int, Snapshot


class Ease:
    """A Recommender: with X the 0/1 matrix of who touched what, and λ the penalty,

        C = (XᵀX + λ I)⁻¹;  B_ij = −C_ij / C_jj off the diagonal, 0 on it
        q_i = Σ event weight × exp(−age / tau), age counted back from the row's latest event
        score = q B, scaled to a best score of 1 a row, + own_history · q / max q

    B itself never brings back what the row asked with; `own_history` does. Only the `ease_max_products` products with
    the most users take part: K of them cost 8 K² bytes while fitting, 4 K² afterwards, and K³ multiplications, so
    1.8 GB, 0.9 GB and about a minute of one core at 15,000. Other products, and rows without history among the kept
    ones, are ordered by the model given as `silent`.

    Source: Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data"; decay and history are ours.
    """

    name = "ease"

    def __init__(self, settings: PeerSettings, weights: Mapping[str, float], *, silent: Recommender) -> None:
        """`weights` are `graph.event_weights`."""
        self._settings, self._weights, self._silent = settings, weights, silent

    def fit(self, train: Snapshot) -> None:
        """Invert the Gram matrix of the kept products."""
        self._silent.fit(train)
        events = train.events.between(None, train.as_of)
        self._n_products = len(train.product_ids)
        shape = (len(train.user_ids), self._n_products)
        x_UP = summed(events.user_E, events.product_E, np.ones(len(events), dtype=np.float32), shape)
        x_UP.data = np.ones_like(x_UP.data)
        self._kept = _most_touched(x_UP, self._settings.ease_max_products)
        self._weights_KK = _closed_form(x_UP[:, self._kept], self._settings.ease_penalty)

    def prepare(self, audience: Audience) -> None:
        """The decayed history of each row as a query."""
        self._silent.prepare(audience)
        events = audience.history.between(None, audience.as_of)
        weight = event_weights(events, self._weights) * decay(events, self._settings.ease_decay_tau_days)
        query_AP = summed(events.user_E, events.product_E, weight, (len(audience), self._n_products))
        self._query_AP = query_AP.astype(np.float32)
        self._query_AK = sparse.csr_matrix(self._query_AP[:, self._kept])

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) the fallback's scores for cold rows; EASE plus a trace of the fallback for the others."""
        found = np.zeros((stop - start, self._n_products), dtype=np.float32)
        found[:, self._kept] = self._query_AK[start:stop] @ self._weights_KK
        if self._settings.ease_own_history:
            found = beside_own(found, self._query_AP[start:stop].toarray(), self._settings.ease_own_history)
        return over_silent(self._silent.score_block(start, stop), found)


def _most_touched(x_UP: sparse.csr_matrix, most: int) -> Int:
    """Products with the most users, ties by lower index; ascending. Untouched ones never."""
    users_P = np.bincount(x_UP.indices, minlength=x_UP.shape[1])
    best = np.argsort(-users_P, kind="stable")[:most]
    return np.sort(best[users_P[best] > 0]).astype(np.int64)


def _closed_form(x_UK: sparse.csr_matrix, penalty: float) -> NDArray[np.float32]:
    """(K, K) weights, in the memory of one matrix and one temporary."""
    gram = sparse.csr_matrix(x_UK.T @ x_UK).toarray(order="F")
    n = len(gram)
    if not n:
        return gram
    gram[np.diag_indices(n)] += np.float32(penalty)
    # More BLAS threads would change the last bits. The Gram matrix plus a positive diagonal always has a factor.
    with threadpool_limits(1, user_api="blas"):
        factor, _ = lapack.spotrf(gram, lower=1, clean=0, overwrite_a=1)
        inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    scale = -1 / np.diag(inverse).copy()
    # Only the lower triangle was computed.
    weights = np.tril(inverse, -1)
    weights += weights.T
    weights *= scale
    return np.ascontiguousarray(weights)
