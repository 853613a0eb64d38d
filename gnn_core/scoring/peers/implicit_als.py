"""Matrix factorisation of the `implicit` library: a well-kept peer, with a fold-in for users without history.

Shape letters: R rows of a block, A audience rows, U users, P products, S segments, D factors.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from gnn_core.config import PeerSettings
from gnn_core.errors import DataError
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.peers.counts import by_owners, event_weights, orders_UP, summed
from gnn_core.snapshot import Snapshot


class ImplicitAls:
    """A Recommender: ALS (Hu, Koren, Volinsky 2008) on event weights summed over a user's history.

    A warm row is folded in from its own history. A cold row is the mean of its segments, each folded in from the orders
    of its owners as if it were one user. Rows about which nothing at all is known get the scores of `silent`.
    One thread and a fixed seed: the same data give the same factors.
    """

    name = "implicit_als"

    def __init__(self, settings: PeerSettings, weights: Mapping[str, float], seed: int, *, silent: Recommender) -> None:
        """`weights` are `graph.event_weights`."""
        self._settings, self._weights, self._seed, self._silent = settings, weights, seed, silent

    def fit(self, train: Snapshot) -> None:
        """Factorise, and fold in every segment.

        Raises:
            DataError: there is no event before the cutoff.
        """
        self._silent.fit(train)
        events = train.events.between(None, train.as_of)
        if not len(events):
            raise DataError(f"implicit_als: no event before {train.as_of}; there is nothing to factorise")
        shape = (len(train.user_ids), len(train.product_ids))
        x_UP = summed(events.user_E, events.product_E, event_weights(events, self._weights), shape).astype(np.float32)
        active = np.flatnonzero(np.diff(x_UP.indptr))
        # OpenBLAS threads under ALS's own slow it down many times and change the last bits.
        with threadpool_limits(1, user_api="blas"):
            self._model = AlternatingLeastSquares(
                factors=self._settings.als_factors,
                regularization=self._settings.als_regularization,
                alpha=self._settings.als_alpha,
                iterations=self._settings.als_iterations,
                num_threads=1,
                random_state=self._seed,
            )
            self._model.fit(x_UP[active], show_progress=False)
            self._factors_PD = np.ascontiguousarray(self._model.item_factors, dtype=np.float32)
            orders_SP = by_owners(orders_UP(train), train.owns_US) * self._weights["order"]
            self._factors_SD = self._fold_in(sparse.csr_matrix(orders_SP))

    def prepare(self, audience: Audience) -> None:
        """Factors of every row: its history's, or the mean of its segments'."""
        self._silent.prepare(audience)
        events = audience.history.between(None, audience.as_of)
        shape = (len(audience), len(self._factors_PD))
        x_AP = summed(events.user_E, events.product_E, event_weights(events, self._weights), shape)
        warm = np.diff(x_AP.indptr) > 0
        n_segments = np.maximum(np.diff(audience.owns_AS.indptr), 1)[:, None]
        self._factors_AD = (audience.owns_AS @ self._factors_SD / n_segments).astype(np.float32)
        with threadpool_limits(1, user_api="blas"):
            self._factors_AD[warm] = self._fold_in(x_AP[warm])

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) inner products of factors."""
        factors = self._factors_AD[start:stop]
        with threadpool_limits(1, user_api="blas"):
            scores = factors @ self._factors_PD.T
        unknown = ~factors.any(axis=1)
        if unknown.any():
            scores[unknown] = self._silent.score_block(start, stop)[unknown]
        return scores

    def _fold_in(self, x_RP: sparse.csr_matrix) -> NDArray[np.float32]:
        """(R, D) factors of rows of interactions; zeros for an empty row."""
        if not x_RP.shape[0]:
            return np.zeros((0, self._settings.als_factors), dtype=np.float32)
        return self._model.recalculate_user(np.arange(x_RP.shape[0]), sparse.csr_matrix(x_RP, dtype=np.float32))
