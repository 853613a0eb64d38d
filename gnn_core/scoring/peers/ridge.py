"""Vehicle → product ridge regression: one linear model for all products, in closed form.

Shape letters: B buyers, R rows of a block, A audience rows, P products, S segments with a buyer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from gnn_core.errors import ConfigError
from gnn_core.recommender import Audience
from gnn_core.scoring.peers.counts import orders_UP
from gnn_core.snapshot import Snapshot

_BLOCK_PRODUCTS = 4096


class Ridge:
    """A Recommender: with x_u the segments of buyer u (0 or 1 each), y_up whether u ordered p, and λ the penalty,

        base_p  = mean of y_up over the buyers
        W       = (XᵀX + λ I)⁻¹ Xᵀ (Y − base)
        score_u = base + x_u W

    Whoever ordered nothing at all says nothing about taste, so only buyers are regressed on. Without a buyer of one of
    its segments a row's score is `base`, which is popularity. Memory: S × P float32, 200 MB for 2K segments and 25K
    products. The row's own history is not used.
    """

    name = "ridge"

    def __init__(self, penalty: float) -> None:
        """`penalty` is setting `peers.ridge_penalty`.

        Raises:
            ConfigError: it is not above 0; segments that are always owned together would have no solution.
        """
        if not penalty > 0:
            raise ConfigError(f"ridge penalty is {penalty}; it must be above 0")
        self._penalty = penalty
        self._owns_AS = sparse.csr_matrix((0, 0))

    def fit(self, train: Snapshot) -> None:
        """Solve for all products at once, some thousand at a time."""
        n_UP = orders_UP(train)
        buyers = np.flatnonzero(np.diff(n_UP.indptr))
        y_BP = n_UP[buyers]
        y_BP.data = np.ones_like(y_BP.data)
        owns_BS = train.owns_US[buyers].astype(np.float64)
        n_S = np.asarray(owns_BS.sum(axis=0)).ravel()
        self._segments = np.flatnonzero(n_S)
        x_BS, n_S = sparse.csr_matrix(owns_BS[:, self._segments]), n_S[self._segments]
        base_P = np.asarray(y_BP.sum(axis=0)).ravel() / max(len(buyers), 1)
        self._base_P = base_P.astype(np.float32)
        self._weights_SP = np.zeros((len(n_S), len(base_P)), dtype=np.float32)
        if not len(n_S):
            return
        gram_SS = sparse.csr_matrix(x_BS.T @ x_BS).toarray()
        gram_SS[np.diag_indices(len(n_S))] += self._penalty
        taken_SP = sparse.csc_matrix(x_BS.T @ y_BP)
        # More BLAS threads would change the last bits.
        with threadpool_limits(1, user_api="blas"):
            factor = linalg.cho_factor(gram_SS, lower=True, overwrite_a=True)
            for start in range(0, len(base_P), _BLOCK_PRODUCTS):
                block = slice(start, start + _BLOCK_PRODUCTS)
                residual = taken_SP[:, block].toarray() - np.outer(n_S, base_P[block])
                self._weights_SP[:, block] = linalg.cho_solve(factor, residual, overwrite_b=True)

    def prepare(self, audience: Audience) -> None:
        """Keep the rows' segments, as far as they have a buyer."""
        self._owns_AS = sparse.csr_matrix(audience.owns_AS[:, self._segments], dtype=np.float32)

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) expected orders of a buyer; a sum over the row's segments, so it may leave [0, 1]."""
        return np.asarray(self._base_P + self._owns_AS[start:stop] @ self._weights_SP, dtype=np.float32)
