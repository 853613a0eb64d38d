"""Every model on the same users, candidates and positives, before and after the business rules.

What belongs here: placing held-out positives in each model's ranking, pooling cuts. What does not: means and intervals
(comparison.py), who is judged (panel.py).

Shape letters: U evaluable users (user × cut when pooled), N their positives, A audience rows, R rows of a block,
P products, K list length.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.config import Settings
from gnn_core.errors import DataError
from gnn_core.evaluation import metrics
from gnn_core.evaluation.panel import Block, CutFacts, Panel, build_panel
from gnn_core.evaluation.positives import Clicks
from gnn_core.graph.split import Cut
from gnn_core.recommender import Recommender
from gnn_core.scoring.diversity import ListMaker
from gnn_core.scoring.rank import checked_block
from gnn_core.snapshot import Int, Snapshot

logger = logging.getLogger(__name__)

STAGES = ("before", "after")
"""Before the business rules: the full candidate ranking. After: what they leave, to `evaluation.list_length`."""
GATE_K = 10
"""Gate 1 and every choice on validation look at Recall@10."""


@dataclass(frozen=True)
class Lists:
    """What would be e-mailed: the first slots after the business rules, one row an audience row."""

    product_AK: Int
    """Product indices, −1 where a slot stays empty."""
    users_A: Int
    """Evaluable users who share the row."""


@dataclass(frozen=True)
class Evaluation:
    """Where every held-out positive stands in every model's ranking, for one cut or several pooled ones."""

    models: tuple[str, ...]
    users: pd.DataFrame
    """One row an evaluable user and cut: cut, user, user_id, tier, n_positives, n_organic, n_email, n_unreachable."""
    user_N: Int
    """Row of `users` of each reachable positive."""
    organic_N: NDArray[np.bool_]
    rank_N: dict[tuple[str, str], Int]
    """By (model, stage): the place of each positive, 1 = best; 0 = not in the list (only after the rules)."""
    lists: dict[str, Lists]
    facts: tuple[CutFacts, ...]
    candidates: int
    """Products that are a candidate of at least one evaluable user; the largest such count of the cuts."""

    def __len__(self) -> int:
        return len(self.users)

    def hits(self, model: str, stage: str, k: int) -> NDArray[np.bool_]:
        """(U, k) places of the positives in the first k of a model's ranking."""
        return metrics.hits_from_ranks(self.user_N, self.rank_N[model, stage], len(self), k)

    def recall(self, model: str, stage: str = "before", k: int = GATE_K) -> metrics.Vector:
        """(U,) Recall@k of a model."""
        return metrics.recall_at_k(self.hits(model, stage, k), self.users["n_positives"].to_numpy())


def evaluate(
    recommenders: Sequence[Recommender],
    snapshot: Snapshot,
    train: Snapshot,
    cut: Cut,
    settings: Settings,
    eligible_P: NDArray[np.bool_],
    *,
    clicks: Clicks | None = None,
) -> Evaluation:
    """Judge already fitted recommenders on one held-out window.

    Args:
        recommenders: fitted on `train`, with distinct names.
        snapshot: the whole store, window included; `train`: the same store as of `cut.fitted_before`.
        settings: sections evaluation, scoring and eligibility.
        eligible_P: products that may be recommended at all.
        clicks: users' e-mail clicks; None where the store has no e-mail data.
    Raises:
        DataError: a score is NaN or infinite (it would rank first without a sound), two models share a name, or the
            window is not over.
        LeakageError, ShapeError: see `build_panel`.
    """
    panel = build_panel(snapshot, train, cut, settings, eligible_P, clicks=clicks)
    return evaluate_panel(panel, recommenders, settings)


def evaluate_panel(panel: Panel, recommenders: Sequence[Recommender], settings: Settings) -> Evaluation:
    """`evaluate` on a panel that is already there, so that several sets of models share its cost."""
    names = tuple(r.name for r in recommenders)
    if len(set(names)) != len(names):
        raise DataError(f"two recommenders share a name: {sorted(names)}; the report could not tell them apart")
    n_pairs, n_rows, slots = len(panel.pairs[0]), len(panel.audience), settings.scoring.slots
    ranks = {(name, stage): np.zeros(n_pairs, dtype=np.int64) for name in names for stage in STAGES}
    lists = {name: np.full((n_rows, slots), -1, dtype=np.int64) for name in names}
    candidate_P = np.zeros(len(panel.train.product_ids), dtype=bool)
    makers = {r.name: ListMaker(r, panel.train, settings.scoring) for r in recommenders}
    if n_rows:
        for recommender in recommenders:
            recommender.prepare(panel.audience)
    for block in panel.blocks(settings.scoring.block_rows):
        purchased_RP = panel.candidates.purchased(block.start, block.stop)
        candidate_P |= block.mask_RP.any(axis=0)
        for recommender in recommenders:
            scores_RP = checked_block(recommender, block.start, block.stop, len(candidate_P))
            flat_C = block.flat.take(scores_RP)
            ranks[recommender.name, "before"][block.pair_N] = block.flat.ranks(flat_C, block.row_N, block.product_N)
            list_RK = _ruled_list(makers[recommender.name], block, scores_RP, purchased_RP, settings)
            ranks[recommender.name, "after"][block.pair_N] = _place_in(list_RK[block.row_N], block.product_N)
            lists[recommender.name][block.start : block.stop] = list_RK[:, :slots]
    _, pair_of_N = panel.pairs
    users_A = np.bincount(panel.row_U, minlength=n_rows)
    logger.info("cut %s: judged %s on %d users", panel.cut.name, ", ".join(names), len(panel.users))
    return Evaluation(
        models=names,
        users=panel.users,
        user_N=panel.user_N,
        organic_N=panel.organic_N,
        rank_N={key: values[pair_of_N] for key, values in ranks.items()},
        lists={name: Lists(product_AK, users_A) for name, product_AK in lists.items()},
        facts=(panel.facts,),
        candidates=int(candidate_P.sum()),
    )


def recall_validator(
    snapshot: Snapshot, train: Snapshot, cut: Cut, settings: Settings, eligible_P: NDArray[np.bool_]
) -> Callable[[Recommender], float]:
    """A function that gives a fitted recommender's mean Recall@10 on a window: what early stopping watches.

    The panel is built once. Raises DataError when the window has no evaluable user, since nothing could be watched.
    """
    return panel_validator(build_panel(snapshot, train, cut, settings, eligible_P), settings)


def panel_validator(panel: Panel, settings: Settings) -> Callable[[Recommender], float]:
    """`recall_validator` on a panel that is already there."""
    if not len(panel.users):
        raise DataError(
            f"cut {panel.cut.name} has no evaluable user; early stopping needs some: widen split.horizon_days"
        )
    return lambda recommender: float(recall_of(panel, places(panel, recommender, settings)).mean())


def places(panel: Panel, recommender: Recommender, settings: Settings) -> Int:
    """(N,) place of each of the panel's positives in one fitted model's full candidate ranking."""
    recommender.prepare(panel.audience)
    keys, pair_of_N = panel.pairs
    rank = np.zeros(len(keys), dtype=np.int64)
    for block in panel.blocks(settings.scoring.block_rows):
        scores_RP = checked_block(recommender, block.start, block.stop, len(panel.train.product_ids))
        rank[block.pair_N] = block.flat.ranks(block.flat.take(scores_RP), block.row_N, block.product_N)
    return rank[pair_of_N]


def recall_of(panel: Panel, rank_N: Int, k: int = GATE_K) -> metrics.Vector:
    """(U,) Recall@k of a panel's users, given the places of its positives."""
    hits_UK = metrics.hits_from_ranks(panel.user_N, rank_N, len(panel.users), k)
    return metrics.recall_at_k(hits_UK, panel.users["n_positives"].to_numpy())


def pool(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Several cuts as one evaluation. Each user-window counts once; a user's windows are resampled together later.

    Raises:
        DataError: nothing to pool, a cut occurs twice, or the evaluations judge different models.
    """
    if not evaluations:
        raise DataError("there is no evaluation to pool")
    models = evaluations[0].models
    if any(set(e.models) != set(models) for e in evaluations):
        raise DataError(
            f"cuts judge different models: {[e.models for e in evaluations]}; judge the same ones everywhere"
        )
    facts = tuple(f for e in evaluations for f in e.facts)
    if len({f.cut for f in facts}) != len(facts):
        raise DataError(f"a cut is pooled twice: {[f.cut for f in facts]}")
    offsets = np.cumsum([0, *(len(e) for e in evaluations)])
    return Evaluation(
        models=models,
        users=pd.concat([e.users for e in evaluations], ignore_index=True),
        user_N=np.concatenate([e.user_N + start for e, start in zip(evaluations, offsets, strict=False)]),
        organic_N=np.concatenate([e.organic_N for e in evaluations]),
        rank_N={key: np.concatenate([e.rank_N[key] for e in evaluations]) for key in evaluations[0].rank_N},
        lists={
            name: Lists(
                np.concatenate([e.lists[name].product_AK for e in evaluations]),
                np.concatenate([e.lists[name].users_A for e in evaluations]),
            )
            for name in models
        },
        facts=facts,
        candidates=max(e.candidates for e in evaluations),
    )


def _ruled_list(
    maker: ListMaker, block: Block, scores_RP: NDArray[np.float32], purchased_RP: NDArray[np.bool_], settings: Settings
) -> Int:
    """(R, list_length) products after the business rules; a list below `scoring.min_slots` is not sent: empty."""
    list_RK, _ = maker.lists(scores_RP, block.mask_RP, purchased_RP, settings.evaluation.list_length)
    list_RK = list_RK.copy()
    list_RK[(list_RK >= 0).sum(axis=1) < settings.scoring.min_slots] = -1
    return list_RK


def _place_in(list_NK: Int, product_N: Int) -> Int:
    hit_NK = list_NK == product_N[:, None]
    return np.where(hit_NK.any(axis=1), hit_NK.argmax(axis=1) + 1, 0).astype(np.int64)
