"""Every product ranked for every user: the published protocols' way, fast.

What belongs here: a task (fit on this, rank for these, these are right), exact places of the right products. What does
not: where tasks come from (published.py), means over users (figures.py).

The very same Recommender objects run here as everywhere; only fitment, business rules and price floors play no part.

Shape letters: U judged users, N held-out positives, R users of a block, P products, K list length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.errors import DataError, ShapeError
from gnn_core.evaluation import metrics
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.rank import checked_block
from gnn_core.snapshot import Int, Snapshot

_BLOCK_CELLS = 8_000_000
"""Dense scores held at once: 32 MB, which stays near the caches of two cores."""


@dataclass(frozen=True)
class RankingTask:
    """One held-out part of a published protocol."""

    name: str
    role: str
    """`validation` or `test`."""
    train: Snapshot
    """What a model is fitted on."""
    known: Snapshot
    """What is known of the users when they are asked: their histories, and the products that are not ranked again. May
    reach further than `train`: a user's validation item is known when the last one is asked for."""
    user_U: Int
    """Judged users, ascending."""
    user_N: Int
    """Position in `user_U` of each positive; ascending."""
    product_N: Int

    @property
    def n_positives_U(self) -> Int:
        """(U,) positives of each judged user; at least 1."""
        return np.bincount(self.user_N, minlength=len(self.user_U)).astype(np.int64)

    def sample(self, n_users: int, seed: int) -> RankingTask:
        """The task for `n_users` of its users, drawn without replacement: early stopping need not ask everyone."""
        if n_users >= len(self.user_U):
            return self
        drawn = np.sort(np.random.default_rng(seed).choice(len(self.user_U), size=n_users, replace=False))
        keep = np.isin(self.user_N, drawn)
        place = np.searchsorted(drawn, self.user_N[keep])
        return RankingTask(
            self.name, self.role, self.train, self.known, self.user_U[drawn], place, self.product_N[keep]
        )


def ranking_task(name: str, role: str, train: Snapshot, known: Snapshot, user_E: Int, product_E: Int) -> RankingTask:
    """A task from held-out (user, product) pairs; repeated pairs count once.

    Raises:
        DataError: there is no pair, or a positive is known already (it would never be ranked).
        ShapeError: the two snapshots are not of one store.
    """
    if train.product_ids is not known.product_ids and not np.array_equal(train.product_ids, known.product_ids):
        raise ShapeError(f"task {name}: train and known hold different products")
    n_P = len(known.product_ids)
    key = np.unique(user_E * n_P + product_E)
    if not len(key):
        raise DataError(f"task {name}: no held-out pair, so there is nobody to judge")
    seen = np.isin(key, known.events.user_E * n_P + known.events.product_E)
    if seen.any():
        user, product = divmod(int(key[seen][0]), n_P)
        raise DataError(
            f"task {name}: {int(seen.sum())} held-out pair(s) are known before the window, such as user "
            f"{known.user_ids[user]} and product {known.product_ids[product]}; seen products are not ranked"
        )
    user_U, user_N = np.unique(key // n_P, return_inverse=True)
    return RankingTask(name, role, train, known, user_U, user_N.astype(np.int64), key % n_P)


@dataclass(frozen=True)
class Ranked:
    """One model's answer to a task."""

    rank_N: Int
    """Place of each positive among all products that its user has not seen, 1 = best; ties go to the lower index."""
    top_UK: Int | None
    """Each user's first products, best first; None when no lists were asked for. Users in the order of `user_U`."""
    audience: Audience
    row_U: Int


def rank_all(task: RankingTask, recommender: Recommender, *, list_length: int = 0) -> Ranked:
    """Places of a task's positives in a fitted model's full ranking.

    Args:
        task: who is asked; recommender: fitted on `task.train`.
        list_length: also return lists of so many products; 0 = none.
    Raises:
        DataError: a score is NaN or infinite.
    """
    audience, row_U = build_audience(task.known, task.user_U)
    recommender.prepare(audience)
    n_P = len(task.known.product_ids)
    seen = _seen_by_user(task)
    first_U = np.searchsorted(task.user_N, np.arange(len(task.user_U) + 1))
    rank_N = np.empty(len(task.user_N), dtype=np.int64)
    top_UK = np.full((len(task.user_U), list_length), -1, dtype=np.int64) if list_length else None
    step = max(1, _BLOCK_CELLS // n_P)
    by_row = np.argsort(row_U, kind="stable")
    row_sorted = row_U[by_row]
    for start in range(0, len(audience), step):
        stop = min(start + step, len(audience))
        scores_RP = checked_block(recommender, start, stop, n_P)
        users = by_row[slice(*np.searchsorted(row_sorted, [start, stop]))]
        # A row of its own for every user: users without history share a row, but not what they bought.
        block = np.array(scores_RP[row_U[users] - start], dtype=np.float32)
        for r, u in enumerate(users):
            scores_P = block[r]
            scores_P[seen.indices[seen.indptr[u] : seen.indptr[u + 1]]] = -np.inf
            for n in range(first_U[u], first_U[u + 1]):
                rank_N[n] = _place(scores_P, int(task.product_N[n]))
        if top_UK is not None:
            top_UK[users] = _best(block, list_length)
    return Ranked(rank_N, top_UK, audience, row_U)


def _seen_by_user(task: RankingTask) -> sparse.csr_matrix:
    """(U, P) products that each judged user has had."""
    events = task.known.events
    place = np.minimum(np.searchsorted(task.user_U, events.user_E), len(task.user_U) - 1)
    judged = task.user_U[place] == events.user_E
    shape = (len(task.user_U), len(task.known.product_ids))
    ones = np.ones(int(judged.sum()), dtype=np.float32)
    seen = sparse.csr_matrix((ones, (place[judged], events.product_E[judged])), shape=shape)
    seen.sum_duplicates()
    return seen


def _place(scores_P: NDArray[np.float32], product: int) -> int:
    own = scores_P[product]
    return 1 + int(np.count_nonzero(scores_P > own)) + int(np.count_nonzero(scores_P[:product] == own))


def _best(scores_RP: NDArray[np.float32], k: int) -> Int:
    """(R, k) the best products of each row, ties to the lower index; exact, whatever ties the cut at k meets."""
    n_P = scores_RP.shape[1]
    k = min(k, n_P)
    least_R = np.partition(scores_RP, n_P - k, axis=1)[:, n_P - k]
    best = np.empty((len(scores_RP), k), dtype=np.int64)
    for r, least in enumerate(least_R):
        found = np.flatnonzero(scores_RP[r] >= least)
        best[r] = found[np.argsort(-scores_RP[r, found], kind="stable")[:k]]
    return best


def figures(task: RankingTask, rank_N: Int, *, k: int) -> dict[str, metrics.Vector]:
    """(U,) per user: `recall_k`, `hit_rate_k`, `ndcg_k`, `mrr`; with one positive a user, recall and hit rate agree."""
    n_U = task.n_positives_U
    hits = metrics.hits_from_ranks(task.user_N, rank_N, len(task.user_U), k)
    return {
        f"recall_{k}": metrics.recall_at_k(hits, n_U),
        f"hit_rate_{k}": metrics.hit_rate_at_k(hits),
        f"ndcg_{k}": metrics.ndcg_at_k(hits, n_U),
        "mrr": metrics.reciprocal_rank(metrics.best_rank(task.user_N, rank_N, len(task.user_U))),
    }


def ranking_validator(task: RankingTask, *, k: int) -> Callable[[Recommender], float]:
    """A function that gives a fitted model's mean Recall@k on a task: what early stopping watches."""
    return lambda recommender: float(figures(task, rank_all(task, recommender).rank_N, k=k)[f"recall_{k}"].mean())
