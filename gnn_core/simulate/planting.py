"""Worlds in which it is known whether SQL can be beaten.

What belongs here: the utilities of the last two 30-day windows of a planted world. What does not: the history before
them, which every world draws from `Demand` (choice.py).

Null: within what fits a user, the log-odds of a product are `SLOPE` × its v5.18 score at the start of the window. Equal
scores are equally likely, higher scores likelier, so the cascade's order has the highest expected recall there is.
Structure: the log-odds are (1 − w) × those of the null + w × the utilities that drew the history, which follow
platforms across makes. w is solved for, such that a ranker which pools the history by true platform has the wanted
lift of expected Recall@10 over the cascade.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.errors import DataError
from gnn_core.simulate.cascade import cascade_scores
from gnn_core.simulate.choice import SHIFT, Demand
from gnn_core.simulate.ledger import Ledger
from gnn_core.simulate.vehicles import Garage
from gnn_core.simulate.worlds import World

Int = NDArray[np.int64]
SLOPE = 0.06
"""Log-odds a point of the v5.18 score: twice the orders in a segment, 10 ln 2 points, raise the odds by half."""
POOLING = 100.0
"""Pseudo-interactions of the store's popularity in the pooled ranker."""


@dataclass(frozen=True)
class Planted:
    """Utilities of one window."""

    utility_VP: sparse.csr_matrix
    """Like `Demand.utility_VP`, SHIFT included."""
    weight: float
    """w, the share of structure; 0 in the null."""


def plant(
    world: World, past: Ledger, vehicles_U3: Int, audience_V: Int, garage: Garage, demand: Demand, *, strict: bool
) -> Planted:
    """Utilities of a window, given the orders before it.

    Args:
        world: `null` or `structure`, with the wanted lift of the pooled ranker.
        past: what fitment users did before the window.
        vehicles_U3: their vehicles.
        audience_V: number of visits in the window by vehicle: what the lift is averaged over.
        strict: raise when the history can not support the lift; otherwise plant as much as it supports.
    Raises:
        DataError: `strict`, and even with structure alone the history can not support that lift.
    """
    fits = demand.utility_VP
    score = cascade_scores(past.orders(len(vehicles_U3)), vehicles_U3, garage, fits)
    null = sparse.csr_matrix(((SHIFT + SLOPE * score.data).astype(np.float32), fits.indices, fits.indptr), fits.shape)
    if world.planted == "null":
        return Planted(null, 0.0)
    v = np.repeat(np.arange(fits.shape[0]), np.diff(fits.indptr))
    some = audience_V[v] > 0
    v, p, weight_E = v[some], fits.indices[some], audience_V[v[some]]
    pooled = pooled_scores(past, vehicles_U3, garage, fits.shape[1])[garage.platform_V[v], p]
    sql_top, pooled_top = _in_top(v, p, score.data[some], 10), _in_top(v, p, pooled, 10)
    base, structure = null.data[some] - SHIFT, fits.data[some] - SHIFT

    def reached(weight: float) -> float:
        """Lift of the pooled ranker's expected recall, vehicles weighted by their visits."""
        odds = np.exp((1 - weight) * base + weight * structure)
        chance = weight_E * odds / np.bincount(v, odds, minlength=fits.shape[0])[v]
        return float(chance[pooled_top].sum() / chance[sql_top].sum() - 1)

    most = reached(1.0)
    if most < world.lift and strict:
        raise DataError(
            f"planted structure: the history of this size supports a lift of {most:.3f}, not {world.lift}; "
            "ask for less, or give the size more hot users or more make/models"
        )
    low, high = 0.0, 1.0
    for _ in range(16 if most >= world.lift else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < world.lift else (low, middle)
    data = (1 - high) * null.data + high * fits.data
    return Planted(sparse.csr_matrix((data.astype(np.float32), fits.indices, fits.indptr), fits.shape), high)


def _in_top(group: Int, item: Int, score: NDArray, k: int) -> NDArray[np.bool_]:
    """Which entries are among their group's k highest, ties to the lower item."""
    order = np.lexsort((item, -score, group))
    starts = np.searchsorted(group[order], group[order], side="left")
    top = np.empty(len(group), dtype=bool)
    top[order] = np.arange(len(group)) - starts < k
    return top


def pooled_scores(past: Ledger, vehicles_U3: Int, garage: Garage, n_products: int) -> NDArray[np.float64]:
    """(K, P) log popularity by true platform, shrunk to the store's: all there is to find, once platforms are found.

    Views, carts and order lines count alike, for the platform of a user's first vehicle.
    """
    n_K = len(garage.platform_names)
    platform = garage.platform_V[vehicles_U3[past.person_E, 0]]
    count_KP = np.bincount(platform * n_products + past.product_E, minlength=n_K * n_products).reshape(n_K, n_products)
    anywhere_P = (count_KP.sum(axis=0) + 0.5) / (count_KP.sum() + 0.5 * n_products)
    total_K = count_KP.sum(axis=1)
    return np.log((count_KP + POOLING * anywhere_P) / (total_K + POOLING)[:, None])
