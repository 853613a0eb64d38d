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
from gnn_core.simulate.cascade import Orders, best_k, cascade_scores
from gnn_core.simulate.choice import SHIFT, Demand
from gnn_core.simulate.vehicles import Garage
from gnn_core.simulate.worlds import World

Int = NDArray[np.int64]
SLOPE = 0.06
"""Log-odds a point of the v5.18 score: twice the orders in a segment, 10 ln 2 points, raise the odds by half."""
POOLING = 15.0
"""Pseudo-orders of the store's popularity in the pooled ranker."""


@dataclass(frozen=True)
class Planted:
    """Utilities of one window."""

    utility_VP: sparse.csr_matrix
    """Like `Demand.utility_VP`, SHIFT included."""
    weight: float
    """w, the share of structure; 0 in the null."""


def plant(
    world: World, orders: Orders, vehicles_U3: Int, audience_V: Int, garage: Garage, demand: Demand, *, strict: bool
) -> Planted:
    """Utilities of a window, given the orders before it.

    Args:
        world: `null` or `structure`, with the wanted lift of the pooled ranker.
        orders: order lines of fitment users before the window.
        vehicles_U3: their vehicles.
        audience_V: number of visits in the window by vehicle: what the lift is averaged over.
        strict: raise when the history can not support the lift; otherwise plant as much as it supports.
    Raises:
        DataError: `strict`, and even with structure alone the history can not support that lift.
    """
    fits = demand.utility_VP
    score = cascade_scores(orders, vehicles_U3, garage, fits)
    null = sparse.csr_matrix(((SHIFT + SLOPE * score.data).astype(np.float32), fits.indices, fits.indptr), fits.shape)
    if world.planted == "null":
        return Planted(null, 0.0)
    rows = np.flatnonzero(audience_V)
    pooled = pooled_scores(orders, vehicles_U3, garage, fits.shape[1])[garage.platform_V[rows]]
    fitting = fits[rows].toarray() > 0
    sql_top = best_k(np.where(fitting, score[rows].toarray(), -np.inf), 10)
    pooled_top = best_k(np.where(fitting, pooled, -np.inf), 10)
    base, structure = null[rows].toarray(), fits[rows].toarray()

    def reached(weight: float) -> float:
        logits = np.where(fitting, (1 - weight) * base + weight * structure, -np.inf)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        chance = np.c_[odds / odds.sum(axis=1, keepdims=True), np.zeros(len(rows))]
        sql = np.take_along_axis(chance, sql_top, axis=1).sum(axis=1) @ audience_V[rows]
        return float(np.take_along_axis(chance, pooled_top, axis=1).sum(axis=1) @ audience_V[rows] / sql - 1)

    most = reached(1.0)
    if most < world.lift and strict:
        raise DataError(
            f"planted structure: the history of this size supports a lift of {most:.3f}, not {world.lift}; "
            "ask for less, or give the size more hot users or more make/models"
        )
    low, high = 0.0, 1.0
    for _ in range(30 if most >= world.lift else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < world.lift else (low, middle)
    data = (1 - high) * null.data + high * fits.data
    return Planted(sparse.csr_matrix((data.astype(np.float32), fits.indices, fits.indptr), fits.shape), high)


def pooled_scores(orders: Orders, vehicles_U3: Int, garage: Garage, n_products: int) -> NDArray[np.float64]:
    """(K, P) log popularity by true platform, shrunk to the store's: all there is to find, once platforms are found.

    Orders of a user with several vehicles count for the platform of the first.
    """
    n_K = len(garage.platform_names)
    platform = garage.platform_V[vehicles_U3[orders.user, 0]]
    count_KP = np.bincount(platform * n_products + orders.product, minlength=n_K * n_products).reshape(n_K, n_products)
    anywhere_P = (count_KP.sum(axis=0) + 0.5) / (count_KP.sum() + 0.5 * n_products)
    total_K = count_KP.sum(axis=1)
    return np.log((count_KP + POOLING * anywhere_P) / (total_K + POOLING)[:, None])
