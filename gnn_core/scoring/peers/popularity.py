"""What sells most, whoever asks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnn_core.recommender import Audience
from gnn_core.scoring.peers.counts import orders_UP
from gnn_core.snapshot import Snapshot


class Popularity:
    """A Recommender: score = order lines of the product before the cutoff, the same for every row."""

    name = "popularity"

    def fit(self, train: Snapshot) -> None:
        """Count the orders."""
        self._orders_P = np.asarray(orders_UP(train).sum(axis=0)).ravel().astype(np.float32)

    def prepare(self, audience: Audience) -> None:
        """Nothing to prepare: rows do not differ."""

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) order counts."""
        return np.tile(self._orders_P, (stop - start, 1))
