"""The SQL v5.18 popularity cascade in numpy, for planting truths and for choosing what the simulated e-mails show.

What belongs here: scores of fitting products from orders. What does not: the baseline that is compared and served
(scoring/sql_baseline.py); a test holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.simulate.vehicles import Garage

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Orders:
    """Order lines of fitment users, one a user, product and order."""

    user: Int
    product: Int
    ts: Int

    def before(self, cutoff: int) -> Orders:
        """Lines with ts < cutoff (UTC microseconds)."""
        keep = self.ts < cutoff
        return Orders(self.user[keep], self.product[keep], self.ts[keep])


def cascade_scores(orders: Orders, vehicles_U3: Int, garage: Garage, fits_VP: sparse.csr_matrix) -> sparse.csr_matrix:
    """(V, P) score of every fitting pair (explicit zeros kept), by the three-tier rule of the v5.18 SQL.

    ln(1 + orders in segment) × 10 if the segment has ≥ 5 orders and the product ≥ 2 there; else ln(1 + orders in make)
    × 8 if the make has ≥ 20 and the product ≥ 2 there; else ln(1 + orders anywhere) × 2. An order of a user with
    several vehicles counts once in each of their segments and makes.
    """
    n_P = fits_VP.shape[1]
    everywhere_P = np.bincount(orders.product, minlength=n_P)
    vehicle = vehicles_U3[orders.user]
    line, slot = np.nonzero(vehicle >= 0)
    v = np.repeat(np.arange(fits_VP.shape[0]), np.diff(fits_VP.indptr))
    p = fits_VP.indices.astype(np.int64)
    score = np.log1p(everywhere_P[p]) * 2.0
    tiers = ((garage.make_V, garage.n_makes, 20, 8.0), (garage.segment_V, garage.n_segments, 5, 10.0))
    for group_V, n_groups, floor, weight in tiers:
        group = group_V[vehicle[line, slot]]
        owned = np.unique(np.stack([line, group]), axis=1)
        total_G = np.bincount(owned[1], minlength=n_groups)
        key, count = np.unique(owned[1] * n_P + orders.product[owned[0]], return_counts=True)
        here = _look_up(key, count, group_V[v] * n_P + p)
        score = np.where((total_G[group_V[v]] >= floor) & (here >= 2), np.log1p(here) * weight, score)
    # Rounded like the SQL, so that 10 ln 2 and 2 ln 32 are the same tie here and there.
    return sparse.csr_matrix((np.round(score, 6), fits_VP.indices, fits_VP.indptr), shape=fits_VP.shape)


def _look_up(keys: Int, values: Int, wanted: Int) -> Int:
    """Value of each wanted key, 0 where it is not among the sorted `keys`."""
    if len(keys) == 0:
        return np.zeros(len(wanted), dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)


def user_scores(scores_VP: sparse.csr_matrix, vehicles_N3: Int, allowed_P: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N, P) dense: the best score over a row's vehicles, -inf where nothing fits or the product is not allowed."""
    shifted = sparse.csr_matrix(
        ((scores_VP.data + 1.0).astype(np.float32), scores_VP.indices, scores_VP.indptr), shape=scores_VP.shape
    )
    best = np.zeros((len(vehicles_N3), scores_VP.shape[1]), dtype=np.float32)
    for slot in range(vehicles_N3.shape[1]):
        who = np.flatnonzero(vehicles_N3[:, slot] >= 0)
        if len(who):
            best[who] = np.maximum(best[who], shifted[vehicles_N3[who, slot]].toarray())
    return np.where((best > 0) & allowed_P[None, :], best - 1.0, -np.inf).astype(np.float32)


def best_k(scores_NP: NDArray[np.floating], k: int) -> Int:
    """(N, k) positions of the highest scores, ties to the lower position, -1 where a row has fewer candidates."""
    order = np.argsort(-scores_NP, axis=1, kind="stable")[:, :k]
    return np.where(np.isfinite(np.take_along_axis(scores_NP, order, axis=1)), order, -1)
