"""The place of given products in full candidate rankings, without sorting anything.

What belongs here: counting how many candidates stand before a product. What does not: who is a candidate (scoring/),
what is made of the places (metrics.py).

Shape letters: R rows of a block, P products, C candidates of all its rows, N (row, product) pairs asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnn_core.errors import ShapeError
from gnn_core.snapshot import Int

_CHUNK = 4_000_000
"""Comparisons held in memory at a time: about 100 MB."""


@dataclass(frozen=True)
class FlatCandidates:
    """The candidates of a block's rows, one after another, by row and then by product index."""

    start_R: Int
    """(R + 1,): row r owns positions start_R[r] … start_R[r + 1] − 1."""
    key_C: Int
    """row · P + product of each candidate; ascending."""
    n_products: int

    @classmethod
    def of(cls, mask_RP: NDArray[np.bool_]) -> FlatCandidates:
        """The True places of a block's candidate mask."""
        key_C = np.flatnonzero(mask_RP).astype(np.int64)
        counts_R = mask_RP.sum(axis=1, dtype=np.int64)
        return cls(np.concatenate([[0], np.cumsum(counts_R)]).astype(np.int64), key_C, mask_RP.shape[1])

    def take(self, values_RP: NDArray) -> NDArray:
        """(C,) the candidates' values of a dense block."""
        return np.ascontiguousarray(values_RP).reshape(-1)[self.key_C]

    def holds(self, row_N: Int, product_N: Int) -> NDArray[np.bool_]:
        """(N,) whether each product is a candidate of its row."""
        place_N, key_N = self._find(row_N, product_N)
        found_N = place_N < len(self.key_C)
        found_N[found_N] = self.key_C[place_N[found_N]] == key_N[found_N]
        return found_N

    def ranks(self, scores_C: NDArray, row_N: Int, product_N: Int) -> Int:
        """Place among the row's candidates: 1 + those with a higher score, or an equal one and a lower index.

        Args:
            scores_C: one finite score a candidate, in this object's order.
            row_N, product_N: pairs; each product must be a candidate of its row.
        Returns:
            (N,) places from 1.
        Raises:
            ShapeError: the scores do not match the candidates, or a pair is not a candidate.
        """
        if scores_C.shape != self.key_C.shape:
            raise ShapeError(f"scores_C has shape {scores_C.shape}; there are {len(self.key_C)} candidates")
        if not self.holds(row_N, product_N).all():
            raise ShapeError("a product was to be ranked that is no candidate of its row")
        own_N, _ = self._find(row_N, product_N)
        first_N, count_N = self.start_R[row_N], self.start_R[row_N + 1] - self.start_R[row_N]
        rank_N = np.empty(len(row_N), dtype=np.int64)
        done = 0
        while done < len(row_N):
            stop = done + max(1, int(np.searchsorted(np.cumsum(count_N[done:]), _CHUNK, side="right")))
            part = slice(done, stop)
            rank_N[part] = 1 + _count_before(scores_C, own_N[part], first_N[part], count_N[part])
            done = stop
        return rank_N

    def _find(self, row_N: Int, product_N: Int) -> tuple[Int, Int]:
        key_N = row_N * self.n_products + product_N
        return np.searchsorted(self.key_C, key_N), key_N


def _count_before(scores_C: NDArray, own_N: Int, first_N: Int, count_N: Int) -> Int:
    """How many candidates of its row stand before each one at position own_N."""
    offset_N = np.cumsum(count_N) - count_N
    position = np.arange(int(count_N.sum())) + np.repeat(first_N - offset_N, count_N)
    score, own = scores_C[position], np.repeat(own_N, count_N)
    own_score = scores_C[own]
    # Positions within a row ascend by product index, so an earlier position is a lower index.
    before = (score > own_score) | ((score == own_score) & (position < own))
    return np.add.reduceat(before, offset_N, dtype=np.int64)
