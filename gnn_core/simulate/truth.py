"""What is known about a simulated store and hidden from every model: for tests, never for features.

Shape letters: U users, P products, V year/make/models, K platforms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.errors import DataError
from gnn_core.simulate.cascade import cascade_scores, user_scores
from gnn_core.simulate.choice import SHIFT, choice_rows, month_of
from gnn_core.simulate.ledger import Ledger
from gnn_core.simulate.shopping import Shop
from gnn_core.simulate.sizes import DAY, TEST_START

NEVER = -1e9
"""Score of a product that the user can not choose: finite, and below every other."""


@dataclass(frozen=True)
class Truth:
    """Latent structure, true interactions and true choice probabilities of the test window."""

    shop: Shop
    ledger: Ledger
    """Views, carts and orders of fitment users."""
    visitors: Ledger
    user_ids: NDArray[np.object_]
    """(U,) contract ids of the fitment users, by position in the ledger."""
    window_utility_VP: sparse.csr_matrix
    """Utilities of the test window."""
    structure_weight: float | None
    """Planted worlds: share of structure in the window's log-odds; None otherwise."""

    @property
    def product_ids(self) -> NDArray[np.object_]:
        """(P,) contract ids, sorted."""
        return self.shop.catalogue.product_ids

    @property
    def vehicle_ids(self) -> NDArray[np.object_]:
        """(V,) contract ids, sorted."""
        return self.shop.garage.vehicle_ids

    @property
    def platform_V(self) -> NDArray[np.object_]:
        """(V,) name of the latent platform."""
        return np.array(self.shop.garage.platform_names, dtype=object)[self.shop.garage.platform_V]

    @property
    def appeal_P(self) -> NDArray[np.float64]:
        """(P,) log appeal over the whole store."""
        return self.shop.demand.appeal_P

    @property
    def eligible_P(self) -> NDArray[np.bool_]:
        """(P,) what may be recommended, once every event has been seen."""
        return self.shop.catalogue.eligible_P

    def choice_probabilities(self, vehicle_ids: Sequence[str]) -> NDArray[np.float64]:
        """(N, P) chance that a customer without special taste, who owns this vehicle only, chooses a product.

        In the middle of the test window; rows sum to 1 over what fits. For a few thousand vehicles at most (dense).
        """
        rows = self._positions(vehicle_ids, self._vehicle_index, "vehicle")
        return _softmax(self._in_window(self.window_utility_VP[rows]))

    def oracle_scores(self, user_ids: Sequence[str], product_ids: Sequence[str]) -> NDArray[np.float64]:
        """(N, len(product_ids)) true log-odds of each product for each user in the test window, own taste included.

        The best ranking there is of an organic first choice. `NEVER` where nothing of the user's fits, and for products
        the simulator does not know. Dense: ask for blocks of users.
        """
        users = self._positions(user_ids, self._user_index, "user")
        people, demand = self.shop.people, self.shop.demand
        scores = self._in_window(choice_rows(self.window_utility_VP, people, users))
        if self.shop.world.taste > 0:
            scores += self.shop.world.taste * (demand.kit_P[None, :] == people.favourite_U[users][:, None])
            scores += people.thrift_U[users][:, None] * demand.log_price_P[None, :]
        return self._arranged(scores, product_ids)

    def sql_scores(
        self, user_ids: Sequence[str], product_ids: Sequence[str], cutoff: np.datetime64
    ) -> NDArray[np.float64]:
        """(N, len(product_ids)) v5.18 scores by the simulator's own cascade, from true orders before `cutoff` (UTC)."""
        users = self._positions(user_ids, self._user_index, "user")
        shop = self.shop
        orders = self.ledger.orders(len(self.user_ids)).before(int(cutoff.astype("datetime64[us]").astype(np.int64)))
        scores = cascade_scores(orders, shop.people.vehicles_U3, shop.garage, shop.catalogue.fits_VP)
        everything = np.ones(len(self.product_ids), dtype=bool)
        return self._arranged(user_scores(scores, shop.people.vehicles_U3[users], everything), product_ids)

    def _in_window(self, rows: sparse.csr_matrix) -> NDArray[np.float64]:
        dense = rows.toarray().astype(np.float64)
        month = month_of(np.array([TEST_START + 15 * DAY]))[0]
        return np.where(dense > 0, dense - SHIFT + self.shop.demand.calendar_MP[month][None, :], -np.inf)

    def _arranged(self, scores_NP: NDArray, product_ids: Sequence[str]) -> NDArray[np.float64]:
        at = pd.Index(self.product_ids).get_indexer(pd.Index(np.asarray(product_ids, dtype=object)))
        out = np.where(at[None, :] >= 0, scores_NP[:, np.maximum(at, 0)], -np.inf)
        return np.where(np.isfinite(out), out, NEVER).astype(np.float64)

    @cached_property
    def _user_index(self) -> pd.Index:
        return pd.Index(self.user_ids)

    @cached_property
    def _vehicle_index(self) -> pd.Index:
        return pd.Index(self.vehicle_ids)

    @staticmethod
    def _positions(ids: Sequence[str], index: pd.Index, what: str) -> NDArray[np.int64]:
        at = index.get_indexer(pd.Index(np.asarray(ids, dtype=object)))
        if (at < 0).any():
            unknown = [i for i, a in zip(ids, at, strict=True) if a < 0]
            raise DataError(f"{len(unknown)} {what}(s) are not of this simulated store, such as {unknown[:3]}")
        return at.astype(np.int64)


def _softmax(scores_NP: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(scores_NP - scores_NP.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
