"""Empirical-Bayes shrinkage of order counts: segment → make → everywhere. The strong simple model.

What it answers: of 100 orders by owners of this make/model, how many are for this product? A segment with few orders
borrows from its make, a make from the whole store; there is no cliff at which two orders outrank a hundred.

Shape letters: R rows of a block, A audience rows, P products, S segments, M makes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.errors import ConfigError
from gnn_core.recommender import Audience
from gnn_core.scoring.audience import coarsen
from gnn_core.scoring.peers.counts import by_owners, orders_UP
from gnn_core.snapshot import Snapshot


class Smoother:
    """A Recommender: with n_sp orders of product p by owners of segment s, and κ the strengths in pseudo-orders,

        π_p  = n_p / n                                   (1/P while nothing was ordered)
        π_mp = (n_mp + κ_m · π_p) / (n_m + κ_m)
        score_sp = (n_sp + κ_s · π_mp) / (n_s + κ_s)

    A row of several segments scores a product by the best of them; a row without any by π_p. The row's own history is
    not used: it knows vehicles, not persons.
    """

    name = "smoother"

    def __init__(self, segment_strength: float, make_strength: float) -> None:
        """Strengths are settings `baseline.smoother_segment_strength` and `baseline.smoother_make_strength`.

        Raises:
            ConfigError: a strength is not above 0; an unordered segment would have no score.
        """
        if not (segment_strength > 0 and make_strength > 0):
            raise ConfigError(f"smoother strengths are {segment_strength} and {make_strength}; both must be above 0")
        self.segment_strength, self.make_strength = segment_strength, make_strength
        self._owns_AS = sparse.csr_matrix((0, 0))

    def fit(self, train: Snapshot) -> None:
        """Count orders by segment and make, and shrink the makes."""
        n_UP = orders_UP(train)
        owns_US = train.owns_US
        n_SP = by_owners(n_UP, owns_US)
        n_MP = by_owners(n_UP, coarsen(owns_US, train.make_S, len(train.make_ids)))
        n_P = np.asarray(n_UP.sum(axis=0)).ravel()
        total = n_P.sum()
        self._pi_P = n_P / total if total else np.full(len(n_P), 1 / max(1, len(n_P)))
        kappa_m, kappa_s = self.make_strength, self.segment_strength
        n_M = np.asarray(n_MP.sum(axis=1))
        self._pi_MP = ((n_MP.toarray() + kappa_m * self._pi_P) / (n_M + kappa_m)).astype(np.float32)
        n_S = np.asarray(n_SP.sum(axis=1)).ravel()
        self._make_S = train.make_S
        self._prior_weight_S = (kappa_s / (n_S + kappa_s)).astype(np.float32)
        # Each segment's own evidence, already divided by n_s + κ_s.
        n_SP.data /= np.repeat(n_S + kappa_s, np.diff(n_SP.indptr))
        self._own_SP = n_SP.astype(np.float32)

    def prepare(self, audience: Audience) -> None:
        """Keep the rows' segments."""
        self._owns_AS = audience.owns_AS

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) shares of orders, in [0, 1]."""
        owns = self._owns_AS[start:stop]
        n_segments = np.diff(owns.indptr)
        scores = np.empty((stop - start, len(self._pi_P)), dtype=np.float32)
        scores[n_segments == 0] = self._pi_P
        # The first segment of every row, then the second of those that have one, and so on.
        for nth in range(int(n_segments.max(initial=0))):
            rows = np.flatnonzero(n_segments > nth)
            theirs = self._of_segments(owns.indices[owns.indptr[rows] + nth])
            scores[rows] = theirs if nth == 0 else np.maximum(scores[rows], theirs)
        return scores

    def _of_segments(self, segment_R: NDArray) -> NDArray[np.float32]:
        scores = self._pi_MP[self._make_S[segment_R]]
        scores *= self._prior_weight_S[segment_R, None]
        own = self._own_SP[segment_R]
        scores[np.repeat(np.arange(len(segment_R)), np.diff(own.indptr)), own.indices] += own.data
        return scores
