"""Per-user ranking metrics, one value a user, because the bootstrap resamples users.

What belongs here: recall, hit rate, reciprocal rank and NDCG as vectors. What does not: averaging and intervals
(comparison.py, bootstrap.py), which products are candidates or positives (panel.py).

Shape letters: U evaluated users, K list length, N held-out positives of all users.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnn_core.errors import ShapeError
from gnn_core.snapshot import Int

Vector = NDArray[np.float64]


def hits_from_ranks(user_N: Int, rank_N: Int, n_users: int, k: int) -> NDArray[np.bool_]:
    """Where each user's positives stand in the first `k` places.

    Args:
        user_N: which user (0 … n_users − 1) each positive belongs to.
        rank_N: its place in that user's ranking, 1 = best; 0 = not in the list at all.
        n_users: U.
        k: K, how many places count.
    Returns:
        (U, K); column 0 is the best place.
    Raises:
        ShapeError: the two vectors disagree in length, or two positives of one user claim one place.
    """
    if user_N.shape != rank_N.shape:
        raise ShapeError(f"user_N has shape {user_N.shape} and rank_N {rank_N.shape}; they need one entry a positive")
    listed = (rank_N >= 1) & (rank_N <= k)
    hits_UK = np.zeros((n_users, k), dtype=bool)
    hits_UK[user_N[listed], rank_N[listed] - 1] = True
    if int(hits_UK.sum()) != int(listed.sum()):
        raise ShapeError("rank_N gives two positives of one user the same place; a ranking has one product a place")
    return hits_UK


def recall_at_k(hits_UK: NDArray[np.bool_], n_relevant_U: Int) -> Vector:
    """Share of a user's held-out positives that stand in the first K places.

    Args:
        hits_UK: True where the product at that place is a positive; K is its width.
        n_relevant_U: held-out positives of each user, before any cut at K; at least 1.
    Returns:
        (U,) values in [0, 1]; below 1 by construction for users with more than K positives.
    Raises:
        ShapeError: the shapes disagree, a user has no positive, or more hits than positives.
    """
    _check(hits_UK, n_relevant_U)
    return np.asarray(hits_UK.sum(axis=1) / n_relevant_U, dtype=np.float64)


def hit_rate_at_k(hits_UK: NDArray[np.bool_]) -> Vector:
    """1 for a user with at least one positive in the first K places, else 0. (U,)"""
    if hits_UK.ndim != 2:
        raise ShapeError(f"hits_UK has shape {hits_UK.shape}; it needs a row a user and a column a place")
    return np.asarray(hits_UK.any(axis=1), dtype=np.float64)


def reciprocal_rank(best_rank_U: Int) -> Vector:
    """1 / place of the user's best-placed positive in the full ranking; 0 where none is ranked (place 0). (U,)"""
    if best_rank_U.ndim != 1 or (best_rank_U < 0).any():
        raise ShapeError("best_rank_U needs one place a user: 1 or more, or 0 for a user without a ranked positive")
    reciprocal_U = np.zeros(len(best_rank_U))
    np.divide(1.0, best_rank_U, out=reciprocal_U, where=best_rank_U > 0)
    return reciprocal_U


def best_rank(user_N: Int, rank_N: Int, n_users: int) -> Int:
    """(U,) place of each user's best-placed positive; 0 where none has a place."""
    unplaced = np.iinfo(np.int64).max
    best_U = np.full(n_users, unplaced, dtype=np.int64)
    placed = rank_N > 0
    np.minimum.at(best_U, user_N[placed], rank_N[placed])
    best_U[best_U == unplaced] = 0
    return best_U


def ndcg_at_k(hits_UK: NDArray[np.bool_], n_relevant_U: Int) -> Vector:
    """Binary NDCG@K; the ideal list has min(K, positives) hits at its top, so 1 is always within reach.

    Args:
        hits_UK: True where the product at that place is a positive; K is its width.
        n_relevant_U: held-out positives of each user, before any cut at K; at least 1.
    Returns:
        (U,) values in [0, 1].
    Raises:
        ShapeError: the shapes disagree, a user has no positive, or more hits than positives.
    Source: Järvelin & Kekäläinen (2002), gain 1, discount 1 / log2(place + 1).
    """
    _check(hits_UK, n_relevant_U)
    k = hits_UK.shape[1]
    discount_K = 1.0 / np.log2(np.arange(2, k + 2))
    ideal_K = np.cumsum(discount_K)
    # A sum along an axis, not a matrix product: the same bytes on any number of threads.
    return (hits_UK * discount_K).sum(axis=1) / ideal_K[np.minimum(n_relevant_U, k) - 1]


def _check(hits_UK: NDArray[np.bool_], n_relevant_U: Int) -> None:
    if hits_UK.ndim != 2 or hits_UK.shape[1] < 1 or n_relevant_U.shape != hits_UK.shape[:1]:
        raise ShapeError(
            f"hits_UK has shape {hits_UK.shape} and n_relevant_U {n_relevant_U.shape}; "
            "they need (U, K) with K ≥ 1 and (U,)"
        )
    if (n_relevant_U < 1).any():
        user = int(np.argmax(n_relevant_U < 1))
        raise ShapeError(
            f"n_relevant_U[{user}] is {n_relevant_U[user]}; only users with a held-out positive are judged"
        )
    if (hits_UK.sum(axis=1) > n_relevant_U).any():
        user = int(np.argmax(hits_UK.sum(axis=1) > n_relevant_U))
        raise ShapeError(f"hits_UK[{user}] has more hits than the user's {n_relevant_U[user]} positives")
