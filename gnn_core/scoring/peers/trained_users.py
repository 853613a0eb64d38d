"""Models that have a vector for each user they were trained on, and no way to fold in another.

What belongs here: whose vector a row gets, and products without one. What does not: training.

Shape letters: R rows of a block, A audience rows, U trained users, P products, K trained products, S segments,
D factors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.peers.silent import mean_of_owners, mean_of_segments
from gnn_core.snapshot import Int, Snapshot

Float = NDArray[np.float32]


class TrainedUsers:
    """A row is its own trained user; else the mean over its segments of their trained owners' mean; else unknown."""

    def __init__(self, train: Snapshot, users: Int, factors_UD: Float, products: Int, factors_KD: Float) -> None:
        """`users` and `products` are the snapshot's indices, ascending, of the rows of the two tables."""
        self._n_products = len(train.product_ids)
        self._products = products
        self._factors_UD = np.asarray(factors_UD, dtype=np.float32)
        self._factors_KD = np.ascontiguousarray(factors_KD, dtype=np.float32)
        self._row_of_user = np.full(len(train.user_ids), -1, dtype=np.int64)
        self._row_of_user[users] = np.arange(len(users))
        self._factors_SD = mean_of_owners(self._factors_UD, train.owns_US[users])

    def prepare(self, audience: Audience) -> None:
        """The vector of every row; zeros where nothing is known."""
        self._factors_AD = mean_of_segments(self._factors_SD, audience.owns_AS)
        row_A = np.where(audience.user_A >= 0, self._row_of_user[audience.user_A], -1)
        trained = np.flatnonzero(row_A >= 0)
        self._factors_AD[trained] = self._factors_UD[row_A[trained]]

    def score_block(self, start: int, stop: int, silent: Recommender) -> Float:
        """(R, P) inner products; what nobody touched shares the row's last place; unknown rows are `silent`'s."""
        factors = self._factors_AD[start:stop]
        with threadpool_limits(1, user_api="blas"):
            found = factors @ self._factors_KD.T
        scores = np.repeat(found.min(axis=1, initial=np.inf)[:, None], self._n_products, axis=1)
        scores[:, self._products] = found
        unknown = ~factors.any(axis=1)
        if unknown.any():
            scores[unknown] = silent.score_block(start, stop)[unknown]
        return scores
