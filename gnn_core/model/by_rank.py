"""The parts of a history's score, weighed anew by how high hidden pairs rank.

What belongs here: a search over multiples of fitted weights, part by part. What does not: the fit (intent.py), which
pairs are hidden (training/hidden_pairs.py).

A logit asks for the likelihood of what was taken, and closeness in an inner product is no log likelihood: its few large
values are cut down, and popularity fills in, where a ranking wants the reverse. Where thousands of hidden pairs can be
ranked among all products, the ranking itself is asked.

Shape letters: C choosers, P products, G groups of weights, N taken pairs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.history import TERMS, HistorySettings
from gnn_core.config.paths import PRODUCT_FEATURES
from gnn_core.model.history import history_terms
from gnn_core.model.intent import IntentWeights, Window
from gnn_core.snapshot import Int

Float = NDArray[np.float64]
GROUPS: Mapping[str, tuple[str, ...]] = {
    "popularity": PRODUCT_FEATURES,
    "vehicles": ("lift",),
    "items": ("items",),
    "spectral": ("spectral",),
    "terms": ("near", "near_recent", "follows"),
}
"""Weights that are multiplied together. What a user has taken is no candidate here, so its own terms stay."""


def weighed_by_rank(window: Window, fitted: IntentWeights, settings: HistorySettings, *, seed: int) -> IntentWeights:
    """Multiples of fitted weights under which hidden pairs rank highest; the fitted ones where none ranks them higher.

    Group after group takes the multiple of the best recall, for a few rounds or until none is better.

    Args:
        window: of hidden pairs. fitted: on the same window; groups without a weight stay without.
    """
    chooser_C = _choosers(window, settings.rank_cells, seed)
    if len(chooser_C) < settings.rank_choosers:
        return fitted
    asked = _Asked(window, chooser_C, fitted, settings)
    multiple_G = np.ones(len(GROUPS))
    best = asked.recall(multiple_G)
    for _ in range(settings.rank_rounds):
        started = best
        for g in range(len(GROUPS)):
            recalls = asked.recalls(multiple_G, g)
            k = int(np.argmax(recalls))
            if recalls[k] > best:
                best = recalls[k]
                multiple_G[g] *= settings.rank_multiples[k]
        if best == started:
            break
    by_name = dict(fitted.by_name)
    for multiple, names in zip(multiple_G, GROUPS.values(), strict=True):
        by_name |= {name: float(multiple) * by_name[name] for name in names if name in by_name}
    return IntentWeights(by_name)


def _choosers(window: Window, cells: int, seed: int) -> Int:
    """Choosers who took something, as many as fit into memory, drawn."""
    took_C = np.flatnonzero(np.diff(window.taken_CP.indptr))
    most = max(1, cells // window.taken_CP.shape[1])
    return np.sort(np.random.default_rng(seed).permutation(took_C)[:most])


class _Asked:
    """Scores of every product for some choosers, group by group."""

    def __init__(self, window: Window, chooser_C: Int, fitted: IntentWeights, settings: HistorySettings) -> None:
        self._settings = settings
        weight, queries = fitted.by_name, window.queries_C.rows(chooser_C)
        owns_CS = window.owns_CS[chooser_C].astype(np.float32)
        shape = (len(chooser_C), window.taken_CP.shape[1])
        self._barred_CP = (owns_CS @ window.fits_SP.astype(np.float32)).toarray() == 0
        excluded = window.excluded_CP[chooser_C]
        self._barred_CP[np.repeat(np.arange(shape[0]), np.diff(excluded.indptr)), excluded.indices] = True
        share_CS = owns_CS.multiply(1.0 / np.maximum(owns_CS.sum(axis=1), 1.0)).tocsr()
        profile_CP = queries.recent_RP.astype(np.float32)
        items, spectral = window.items, window.spectral
        self._parts: list[NDArray[np.float32]] = [
            np.broadcast_to(window.product_PK @ fitted.product_K, shape),
            np.float32(weight["lift"]) * (share_CS @ window.lift_SP),
            np.float32(weight["items"]) * ((profile_CP @ items.left_PI) @ items.right_PI.T),
            np.float32(weight["spectral"]) * ((profile_CP @ spectral.in_PF) @ spectral.out_PF.T),
        ]
        if "near" in weight:
            made = dict(zip(TERMS, history_terms(queries, items), strict=True))
            summed = sum((weight[name] * made[name] for name in GROUPS["terms"]), sparse.csr_matrix(shape))
            self._parts.append(summed.astype(np.float32).toarray())
        taken = window.taken_CP[chooser_C]
        row_N, product_N = np.repeat(np.arange(shape[0]), np.diff(taken.indptr)), taken.indices
        open_N = ~self._barred_CP[row_N, product_N]
        self._row_N, self._product_N = row_N[open_N], product_N[open_N]

    def recall(self, multiple_G: Float) -> float:
        """Recall under multiples of all groups."""
        return self._recall(self._summed(multiple_G))

    def recalls(self, multiple_G: Float, group: int) -> list[float]:
        """Recall under each multiple of one group, beside the given multiples; 0 where the group says nothing."""
        if group >= len(self._parts) or not self._parts[group].any():
            return [0.0] * len(self._settings.rank_multiples)
        others_CP = self._summed(np.where(np.arange(len(multiple_G)) == group, 0.0, multiple_G))
        own_CP = np.float32(multiple_G[group]) * self._parts[group]
        return [self._recall(others_CP + np.float32(multiple) * own_CP) for multiple in self._settings.rank_multiples]

    def _summed(self, multiple_G: Float) -> NDArray[np.float32]:
        score_CP = np.zeros(self._barred_CP.shape, dtype=np.float32)
        for multiple, part_CP in zip(multiple_G, self._parts, strict=False):
            if multiple:
                score_CP += np.float32(multiple) * part_CP
        score_CP[self._barred_CP] = -np.inf
        return score_CP

    def _recall(self, score_CP: NDArray[np.float32]) -> float:
        """Mean over choosers of the share of their pairs among the first; a tie counts as half a place."""
        hit_N = np.empty(len(self._row_N))
        for n, (row, product) in enumerate(zip(self._row_N, self._product_N, strict=True)):
            score_P, own = score_CP[row], score_CP[row, product]
            hit_N[n] = (score_P > own).sum() + ((score_P == own).sum() - 1) / 2 < self._settings.rank_length
        taken_C = np.bincount(self._row_N, minlength=len(score_CP))
        share_C = np.bincount(self._row_N, weights=hit_N, minlength=len(score_CP)) / np.maximum(taken_C, 1)
        return float(share_C[taken_C > 0].mean()) if taken_C.any() else 0.0
