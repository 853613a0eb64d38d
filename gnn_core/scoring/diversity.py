"""Lists whose products differ: maximal marginal relevance in the space of the score's own product vectors.

What belongs here: choosing which products share a list. What does not: the business rules (rank.py), which go first and
hold whatever is chosen here; how different lists are (benchmark/list_figures.py).

    next = argmax over the pool of  (1 − λ) · relevance − λ · max cosine to what the list holds,   λ = scoring.diversity

The pool is the row's best products after the business rules, so every choice from it keeps them. Relevance is the score
scaled to [0, 1] within the pool, because a graph's log odds and a hybrid's deviations have no common unit.

Shape letters: R rows of a block, N products of the pool, P products, L width of the vectors, K list length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnn_core.config import ScoringSettings
from gnn_core.errors import ShapeError
from gnn_core.recommender import Recommender
from gnn_core.scoring.hybrid import Hybrid
from gnn_core.scoring.rank import Bool, Float, row_chunks, top_k_with_rules
from gnn_core.snapshot import Int, Snapshot

_DECIMALS = 6
"""Cosines are rounded to so many before they are compared: equal products must tie on every machine."""


class ListMaker:
    """One policy's lists under the business rules, diversified where `scoring.diversity` asks and it has vectors."""

    def __init__(self, policy: Recommender, train: Snapshot, rules: ScoringSettings) -> None:
        """Take the policy's vectors once; `policy` is fitted on `train`.

        Raises:
            ShapeError: the policy has vectors of another number of products.
        """
        self._name, self._train, self._rules = policy.name, train, rules
        self.unit_PL = unit_vectors(policy) if rules.diversity > 0 else None
        if self.unit_PL is not None and len(self.unit_PL) != len(train.product_ids):
            raise ShapeError(
                f"{policy.name}: {len(self.unit_PL)} product vectors for {len(train.product_ids)} products"
            )

    def lists(self, scores_RP: Float, mask_RP: Bool, purchased_RP: Bool, k: int) -> tuple[Int, Float]:
        """The list of `k` of each row: as `top_k_with_rules`, and diversified when this policy's lists are.

        What MMR chose for the first `scoring.slots` places stands there in falling order of score, as the audit of the
        published table demands; later places keep the order of choice.
        """
        rules, train = self._rules, self._train
        wanted = k if self.unit_PL is None else max(k, rules.diversity_pool)
        product_RN, score_RN = top_k_with_rules(
            scores_RP,
            mask_RP,
            purchased_RP,
            train.part_type_P,
            train.base_P,
            rules.max_per_part_type,
            wanted,
            name=self._name,
        )
        if self.unit_PL is None:
            return product_RN, score_RN
        return diversified(
            product_RN,
            score_RN,
            self.unit_PL,
            strength=rules.diversity,
            pool=rules.diversity_pool,
            k=k,
            slots=rules.slots,
        )


def unit_vectors(policy: Recommender) -> NDArray[np.float64] | None:
    """(P, L) unit vectors whose inner product tells how alike two products are to a policy; None where it has none.

    A hybrid ranks by its graph's vectors too. SQL and the smoother have none: the control's lists stay as they are.
    """
    if isinstance(policy, Hybrid):
        return unit_vectors(policy.gnn)
    vectors = getattr(policy, "likeness_vectors", None)
    return None if vectors is None else vectors()


def diversified(
    product_RN: Int,
    score_RN: Float,
    unit_PL: NDArray[np.float64],
    *,
    strength: float,
    pool: int,
    k: int,
    slots: int,
) -> tuple[Int, Float]:
    """Choose `k` products of each row's pool by maximal marginal relevance.

    Deterministic: cosines are summed in a fixed order and rounded, and of equal products the one that stands higher in
    the pool is chosen, which is the higher score, then the lower product index.

    Args:
        product_RN, score_RN: each row's products in falling order of score, −1 and NaN where it has no more.
        unit_PL: unit vectors of all products; a zero vector is like nothing.
        strength: λ in [0, 1]; 0 gives the pool's own order.
        pool: so many of the N compete; what is beyond them follows in its own order.
        k: length of the lists. slots: the first so many places are sorted by score after the choice.
    Returns:
        As `top_k_with_rules`. A list is as long as the row's products allow, at any strength.
    Source: Carbonell & Goldstein (1998), The use of MMR, diversity-based reranking.
    """
    width = min(pool, product_RN.shape[1])
    picks = min(k, width)
    order_RK = np.tile(np.arange(min(k, product_RN.shape[1])), (len(product_RN), 1))
    for rows in row_chunks(len(product_RN), width * max(1, unit_PL.shape[1])):
        order_RK[rows, :picks] = _chosen(product_RN[rows, :width], score_RN[rows, :width], unit_PL, strength, picks)
    # The pool is in falling order of score, so products are when their positions rise.
    order_RK[:, :slots].sort(axis=1)
    return np.take_along_axis(product_RN, order_RK, axis=1), np.take_along_axis(score_RN, order_RK, axis=1)


def _chosen(product_RN: Int, score_RN: Float, unit_PL: NDArray[np.float64], strength: float, picks: int) -> Int:
    """(R, picks) positions in the pool in order of choice; empty places last."""
    rows, open_RN = np.arange(len(product_RN)), product_RN >= 0
    value_RN = (1 - strength) * _relevance(score_RN, open_RN)
    vector_RNL = unit_PL[np.maximum(product_RN, 0)]
    alike_RN = np.zeros(product_RN.shape)
    order_RK = np.empty((len(product_RN), picks), dtype=np.int64)
    for place in range(picks):
        worth_RN = np.where(open_RN, value_RN - strength * alike_RN, -np.inf)
        at_R = worth_RN.argmax(axis=1)
        # Products stand left of the empty places, so that a row without any more goes on with its own empty ones.
        at_R = np.where(open_RN[rows, at_R], at_R, place)
        order_RK[:, place] = at_R
        open_RN[rows, at_R] = False
        # einsum, not a matrix product: the same bytes on any number of threads.
        cosine_RN = np.einsum("rnl,rl->rn", vector_RNL, vector_RNL[rows, at_R])
        # Opposite is no more different than unrelated: below 0 counts as 0.
        np.maximum(alike_RN, np.round(cosine_RN, _DECIMALS), out=alike_RN)
    return order_RK


def _relevance(score_RN: Float, open_RN: Bool) -> NDArray[np.float64]:
    """(R, N) scores scaled to [0, 1] over each row's products; 0 where all are equal, and in empty places."""
    score = np.where(open_RN, score_RN, np.nan).astype(np.float64)
    some = open_RN.any(axis=1)
    low, high = np.zeros(len(score)), np.zeros(len(score))
    low[some], high[some] = np.nanmin(score[some], axis=1), np.nanmax(score[some], axis=1)
    span = (high - low)[:, None]
    return np.divide(np.nan_to_num(score - low[:, None]), span, out=np.zeros_like(score), where=span > 0)
