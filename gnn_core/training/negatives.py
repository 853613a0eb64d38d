"""Products that a user did not choose: drawn among what fits, among everything, and from the rest of the batch.

What belongs here: drawing and masking. What does not: what a loss makes of them (losses.py).

Shape letters: U users, V vehicles, P products, B examples, N negatives an example, G global negatives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnn_core.snapshot import Int, Snapshot
from gnn_core.training.examples import ragged

Rng = np.random.Generator


class NegativeSampler:
    """Draws from one snapshot. Counts nothing itself: callers report the number of usable draws."""

    def __init__(self, train: Snapshot, popularity_P: NDArray[np.float64]) -> None:
        """Prepare the lookup arrays.

        Args:
            train: fitment, ownership, and all events; what a user touched is never their negative.
            popularity_P: weights ≥ 0 of the global draw; half a unit is added, so that every product can be drawn.
        """
        self._n_P = len(train.product_ids)
        self._owns, self._fits = train.owns_UV, train.fits_VP
        lengths = np.diff(self._fits.indptr)[self._owns.indices]
        self._cumulative = np.r_[0, np.cumsum(lengths)].astype(np.int64)
        ev = train.events
        self._touched = np.unique(ev.user_E * np.int64(self._n_P) + ev.product_E)
        share = popularity_P + 0.5
        self._share_P = share / share.sum()
        self._cdf_P = np.cumsum(self._share_P)

    def touched(self, user_B: Int, product: Int) -> NDArray[np.bool_]:
        """Whether each user had any event with the product; `product` is (B,) or (B, N)."""
        user = user_B.reshape(-1, *([1] * (product.ndim - 1)))
        key = user * np.int64(self._n_P) + product
        at = np.minimum(np.searchsorted(self._touched, key), max(len(self._touched) - 1, 0))
        return self._touched[at] == key if len(self._touched) else np.zeros(key.shape, dtype=bool)

    def touched_among(self, user_B: Int, product_G: Int) -> NDArray[np.bool_]:
        """(B, G) `touched` for products that all users share, ascending; costs what the users did, not B × G."""
        start, stop = (np.searchsorted(self._touched, (user_B + i) * np.int64(self._n_P)) for i in (0, 1))
        row, position = ragged(start, stop)
        product = self._touched[position] % self._n_P
        found = np.zeros((len(user_B), len(product_G)), dtype=bool)
        column = np.minimum(np.searchsorted(product_G, product), max(len(product_G) - 1, 0))
        hit = product_G[column] == product if len(product_G) else np.zeros(len(product), dtype=bool)
        found[row[hit], column[hit]] = True
        return found

    def fitting(self, user_B: Int, n: int, rng: Rng) -> tuple[Int, NDArray[np.bool_]]:
        """Products that fit a vehicle of each user, uniformly over the user's (vehicle, product) rows.

        Returns:
            (B, n) products, and (B, n) whether each is a usable negative: drawn at all, and never touched by the user.
        """
        start = self._cumulative[self._owns.indptr[user_B]]
        total = self._cumulative[self._owns.indptr[user_B + 1]] - start
        draw = start[:, None] + (rng.random((len(user_B), n)) * total[:, None]).astype(np.int64)
        last = max(len(self._cumulative) - 2, 0)
        entry = np.minimum(np.searchsorted(self._cumulative, draw, side="right") - 1, last)
        if not len(self._owns.indices) or not len(self._fits.indices):
            return np.zeros((len(user_B), n), dtype=np.int64), np.zeros((len(user_B), n), dtype=bool)
        row = self._fits.indptr[self._owns.indices[entry]] + draw - self._cumulative[entry]
        possible = np.broadcast_to((total > 0)[:, None], row.shape)
        product = self._fits.indices[np.where(possible, row, 0)].astype(np.int64)
        return product, possible & ~self.touched(user_B, product)

    def popular(self, n: int, rng: Rng) -> tuple[Int, NDArray[np.float64]]:
        """Distinct products drawn in proportion to popularity, shared by a batch.

        Returns:
            (G,) products, ascending, G ≤ n, and (G,) log of the probability that n draws hold the product (logQ).
        """
        drawn = np.minimum(np.searchsorted(self._cdf_P, rng.random(n) * self._cdf_P[-1], side="right"), self._n_P - 1)
        product = np.unique(drawn)
        return product, np.log(-np.expm1(n * np.log1p(-np.minimum(self._share_P[product], 1 - 1e-12))))

    def uniform(self, user_B: Int, n: int, rng: Rng) -> tuple[Int, NDArray[np.bool_]]:
        """(B, n) products drawn uniformly from the whole catalogue, and whether each is usable."""
        product = rng.integers(0, self._n_P, size=(len(user_B), n))
        return product, ~self.touched(user_B, product)

    def in_batch(self, user_B: Int, product_B: Int, n: int, rng: Rng) -> tuple[Int, NDArray[np.bool_]]:
        """(B, n) positives of other examples of the batch, and whether each is usable."""
        product = product_B[rng.integers(0, len(product_B), size=(len(user_B), n))]
        return product, ~self.touched(user_B, product)
