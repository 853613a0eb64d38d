"""Whether a model gives everyone the same: vectors, lists, coverage, likeness of users, love of best sellers.

What belongs here: the report of one fitted model on one audience. What does not: ranking quality (cells.py), distinct
vectors (model/collapse.py counts them).

Shape letters: A audience rows, P products, O vector width, K list length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnn_core.model.collapse import measure_collapse
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.peers.counts import orders_UP
from gnn_core.snapshot import Int, Snapshot

LIST_LENGTH = 4
"""The e-mail has four slots."""
_PAIRS = 2_000
"""Random pairs of users whose likeness is averaged; its standard error is below .01 then."""
_SEED = 41


def collapse_report(
    recommender: Recommender,
    audience: Audience,
    users_A: Int,
    top_AK: Int,
    train: Snapshot,
    *,
    candidates: int,
) -> dict[str, Any]:
    """Figures by name; those of vectors only where the model has `user_vectors`.

    Args:
        recommender: fitted and prepared for `audience`.
        users_A: judged users of each row; shares below weigh rows by them.
        top_AK: (A, K) the first products of each row, best first, −1 where it has fewer.
        train: what the model was fitted on: order counts.
        candidates: products that are a candidate of somebody.
    Returns:
        rows: kinds of users (same vehicles and no history = one kind).
        distinct_lists: different lists among them, whatever their order.
        coverage: products on some list, as a share of `candidates`.
        top_product_share: share of users whose list holds the most recommended product.
        popularity_percentile: mean place of listed products among all by order count; 1 = the best seller, ties share
            their mean.
        With vectors: distinct_vectors; vehicles_with_owners, vehicles_with_one_vector and
        median_distinct_vectors_per_vehicle; mean_cosine of random pairs of rows, constant coordinates left out.
    """
    sent = (top_AK >= 0).any(axis=1)
    listed, weight = top_AK[sent], users_A[sent].astype(np.float64)
    cells = listed >= 0
    cell_weight = np.broadcast_to(weight[:, None], listed.shape)[cells]
    n_P = len(train.product_ids)
    by_product = np.bincount(listed[cells], weights=cell_weight, minlength=n_P)
    found: dict[str, Any] = {
        "rows": len(audience),
        "distinct_lists": len(np.unique(np.sort(listed, axis=1), axis=0)),
        "coverage": float((by_product > 0).sum() / candidates) if candidates else 0.0,
        "top_product_share": float(by_product.max() / weight.sum()) if weight.sum() else 0.0,
        "popularity_percentile": float(np.average(_percentile(train)[listed[cells]], weights=cell_weight))
        if cell_weight.size
        else None,
    }
    if hasattr(recommender, "user_vectors"):
        vectors_AO = np.asarray(recommender.user_vectors(audience), dtype=np.float32)
        counted = measure_collapse(vectors_AO, audience.owns_AS, top_AK).summary()
        names = ("distinct_vectors", "vehicles_with_owners", "vehicles_with_one_vector")
        found |= {name: counted[name] for name in (*names, "median_distinct_vectors_per_vehicle")}
        found["mean_cosine"] = mean_cosine(vectors_AO)
    return found


def mean_cosine(vectors_AO: NDArray[np.float32], pairs: int = _PAIRS, seed: int = _SEED) -> float | None:
    """Mean cosine of random pairs of different rows, without coordinates that are equal everywhere (a bias slot).

    None with fewer than two rows, or when nothing is left: then all rows are equal.
    """
    if len(vectors_AO) < 2:
        return None
    varying = vectors_AO[:, np.ptp(vectors_AO, axis=0) > 0].astype(np.float64)
    if not varying.shape[1]:
        return None
    rng = np.random.default_rng(seed)
    one = rng.integers(0, len(varying), size=pairs)
    other = (one + rng.integers(1, len(varying), size=pairs)) % len(varying)
    dot = (varying[one] * varying[other]).sum(axis=1)
    size = np.linalg.norm(varying[one], axis=1) * np.linalg.norm(varying[other], axis=1)
    return float(np.divide(dot, size, out=np.zeros_like(dot), where=size > 0).mean())


def _percentile(train: Snapshot) -> NDArray[np.float64]:
    """(P,) place of each product among all by orders, in (0, 1]; equal counts share their mean place."""
    orders_P = np.asarray(orders_UP(train).sum(axis=0)).ravel()
    _, code, count = np.unique(orders_P, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray(((last - (count - 1) / 2) / len(orders_P))[code], dtype=np.float64)
