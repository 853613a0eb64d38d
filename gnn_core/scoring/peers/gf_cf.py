"""GF-CF: collaborative filtering as a linear filter on the item graph, with an ideal low-pass. Nothing is trained.

Shape letters: R rows of a block, A audience rows, U users, P products, K singular vectors.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from gnn_core.config import PeerSettings
from gnn_core.model.factors import truncated_svd
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.peers.counts import decay, event_weights, summed
from gnn_core.scoring.peers.silent import beside_own, over_silent
from gnn_core.snapshot import Snapshot
from gnn_core.training.determinism import pinned

_NOTHING = 1e-6
"""Singular values of R̃ lie in [0, 1]; below this they are rounding, and their vectors arbitrary."""


class GfCf:
    """A Recommender: with R the 0/1 matrix of who touched what and R̃ = D_U^−½ R D_P^−½, and V its leading right
    singular vectors,

        q_i   = Σ event weight × exp(−age / tau), age counted back from the row's latest event, then scaled to sum 1
        score = q (R̃ᵀR̃ + low_pass · D_P^−½ V Vᵀ D_P^½), scaled to a best score of 1, + own_history · q / max q

    The matrices P × P are never formed: a block is two sparse products and one of width K. Rows without history, and
    products that the filter is silent on, are ordered by the model given as `silent`.

    Source: Shen et al. (2021), "How Powerful is Graph Convolution for Recommendation?"; the history option is ours.
    """

    name = "gf_cf"

    def __init__(self, settings: PeerSettings, weights: Mapping[str, float], seed: int, *, silent: Recommender) -> None:
        """`weights` are `graph.event_weights`; `seed` draws the start of the singular-vector iteration."""
        self._settings, self._weights, self._seed, self._silent = settings, weights, seed, silent

    def fit(self, train: Snapshot) -> None:
        """Normalise the interactions and take their leading singular vectors."""
        self._silent.fit(train)
        events = train.events.between(None, train.as_of)
        shape = (len(train.user_ids), len(train.product_ids))
        r_UP = summed(events.user_E, events.product_E, np.ones(len(events)), shape)
        r_UP.data = np.ones_like(r_UP.data)
        r_UP = r_UP[np.flatnonzero(np.diff(r_UP.indptr))]
        inverse_U, inverse_P = (_inverse_root(np.asarray(r_UP.sum(axis=axis)).ravel()) for axis in (1, 0))
        self._norm_UP = sparse.csr_matrix(sparse.diags(inverse_U) @ r_UP @ sparse.diags(inverse_P), dtype=np.float32)
        self._norm_PU = self._norm_UP.T.tocsr()
        vectors_PK = _right_vectors(self._norm_UP, self._settings.gf_cf_rank, self._seed)
        root_P = np.divide(1.0, inverse_P, out=np.zeros_like(inverse_P), where=inverse_P > 0)
        self._in_PK = (inverse_P[:, None] * vectors_PK).astype(np.float32)
        self._out_KP = np.ascontiguousarray((root_P[:, None] * vectors_PK).T, dtype=np.float32)

    def prepare(self, audience: Audience) -> None:
        """The decayed history of each row as a signal on the item graph."""
        self._silent.prepare(audience)
        events = audience.history.between(None, audience.as_of)
        weight = event_weights(events, self._weights) * decay(events, self._settings.gf_cf_decay_tau_days)
        signal_AP = summed(events.user_E, events.product_E, weight, (len(audience), self._norm_UP.shape[1]))
        total_A = np.asarray(signal_AP.sum(axis=1)).ravel()
        share_A = np.divide(1.0, total_A, out=np.zeros_like(total_A), where=total_A > 0)
        self._signal_AP = sparse.csr_matrix(sparse.diags(share_A) @ signal_AP, dtype=np.float32)

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) the fallback's scores for cold rows; the filtered signal plus a trace of the fallback for others."""
        signal = self._signal_AP[start:stop]
        filtered = (signal @ self._norm_PU @ self._norm_UP).toarray()
        with threadpool_limits(1, user_api="blas"):
            filtered += np.float32(self._settings.gf_cf_low_pass) * ((signal @ self._in_PK) @ self._out_KP)
        if self._settings.gf_cf_own_history:
            filtered = beside_own(filtered, signal.toarray(), self._settings.gf_cf_own_history)
        return over_silent(self._silent.score_block(start, stop), filtered)


def _inverse_root(degree: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)


def _right_vectors(matrix: sparse.csr_matrix, rank: int, seed: int) -> NDArray[np.float64]:
    """(P, ≤ rank) leading right singular vectors. Their signs are arbitrary, but V Vᵀ is not.

    Not ARPACK's: where singular values repeat (groups of users without a common product), its vectors were seen to
    differ from call to call, whatever it was given to start from.
    """
    with pinned(1, seed), threadpool_limits(1, user_api="blas"):
        _, values, vectors = truncated_svd(matrix, rank, seed)
    return vectors[:, values > _NOTHING]
