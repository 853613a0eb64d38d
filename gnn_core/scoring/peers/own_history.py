"""What the user looked at, put aside and bought, latest first: the list that a shop shows as "continue where you left".

Shape letters: R rows of a block, A audience rows, P products.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.peers.counts import decay, event_weights, summed
from gnn_core.scoring.peers.silent import over_silent
from gnn_core.snapshot import Snapshot


class OwnHistory:
    """A Recommender that learns nothing of products from each other,

        score_i = Σ event weight × exp(−age / tau), age counted back from the row's latest event

    over the row's own events, scaled to a best score of 1 a row. What the row never touched, and rows without history,
    are ordered by the model given as `silent`.
    """

    name = "own_history"

    def __init__(self, tau_days: float, weights: Mapping[str, float], *, silent: Recommender) -> None:
        """`weights` are `graph.event_weights`."""
        self._tau_days, self._weights, self._silent = tau_days, weights, silent

    def fit(self, train: Snapshot) -> None:
        """Only the fallback learns."""
        self._silent.fit(train)
        self._n_products = len(train.product_ids)

    def prepare(self, audience: Audience) -> None:
        """The decayed history of each row."""
        self._silent.prepare(audience)
        events = audience.history.between(None, audience.as_of)
        weight = event_weights(events, self._weights) * decay(events, self._tau_days)
        self._own_AP = summed(events.user_E, events.product_E, weight, (len(audience), self._n_products))

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) the fallback's scores for cold rows; own products over a trace of the fallback for the others."""
        own = np.asarray(self._own_AP[start:stop].toarray(), dtype=np.float32)
        return over_silent(self._silent.score_block(start, stop), own)
