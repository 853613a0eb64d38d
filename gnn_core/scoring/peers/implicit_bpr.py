"""Pairwise-ranked matrix factorisation of the `implicit` library.

Shape letters: R rows of a block, A audience rows, U users with an event, P products, S segments, D factors.
"""

from __future__ import annotations

import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking
from numpy.typing import NDArray

from gnn_core.config import PeerSettings
from gnn_core.errors import DataError
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.peers.counts import summed
from gnn_core.scoring.peers.trained_users import TrainedUsers
from gnn_core.snapshot import Snapshot


class ImplicitBpr:
    """A Recommender: BPR (Rendle et al. 2009) on who touched what.

    BPR has no fold-in: a row is its trained user, or the mean of its segments' trained owners, or `silent`.
    One thread and a fixed seed: the same data give the same factors.
    """

    name = "implicit_bpr"

    def __init__(self, settings: PeerSettings, seed: int, *, silent: Recommender) -> None:
        self._settings, self._seed, self._silent = settings, seed, silent

    def fit(self, train: Snapshot) -> None:
        """Factorise.

        Raises:
            DataError: there is no event before the cutoff.
        """
        self._silent.fit(train)
        events = train.events.between(None, train.as_of)
        if not len(events):
            raise DataError(f"implicit_bpr: no event before {train.as_of}; there is nothing to factorise")
        users, products = np.unique(events.user_E), np.unique(events.product_E)
        x_UP = summed(
            np.searchsorted(users, events.user_E),
            np.searchsorted(products, events.product_E),
            np.ones(len(events), dtype=np.float32),
            (len(users), len(products)),
        )
        model = BayesianPersonalizedRanking(
            factors=self._settings.bpr_factors,
            learning_rate=self._settings.bpr_learning_rate,
            regularization=self._settings.bpr_regularization,
            iterations=self._settings.bpr_iterations,
            num_threads=1,
            random_state=self._seed,
        )
        model.fit(x_UP, show_progress=False)
        self._rows = TrainedUsers(train, users, model.user_factors, products, model.item_factors)

    def prepare(self, audience: Audience) -> None:
        """Factors of every row."""
        self._silent.prepare(audience)
        self._rows.prepare(audience)

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) inner products of factors, the product's bias among them."""
        return self._rows.score_block(start, stop, self._silent)
