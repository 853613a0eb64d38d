"""How much a user's own history counts beside their vehicles and popularity, learned from earlier windows.

What belongs here: a conditional logit of what users with a past did next, in windows before the training moment.
What does not: the terms (history.py), cold users (preference.py).

The windows are as long as the ones that are judged and lie before the training moment, and everything that describes a
choice was made before its window. A fold of hidden users would not do: the moment before an order is full of views of
the very product, which say nothing of what is ordered next month.

Shape letters: C choosers, S segments, P products, R rows (chooser, candidate), K product features, I item dimensions,
F spectral dimensions, A dimensions of fitment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.history import DENSE, TERMS, HistorySettings
from gnn_core.config.paths import PRODUCT_FEATURES, PathSettings
from gnn_core.model.history import HistoryQueries, history_terms
from gnn_core.model.item_graph import ItemGraph
from gnn_core.model.logit import Choices, fit_logit
from gnn_core.model.spectral import SpectralFactors
from gnn_core.snapshot import Int

_PARTS = 4
LIFT, SPECTRAL, FITMENT = "lift", "spectral", "fitment"
JOINT, SMOOTH = "joint", "smooth"
"""Fits of the same choices, each a start of the search by rank: see `fit_intent`."""


@dataclass(frozen=True)
class IntentWeights:
    """Weight of each part of the score of a user with a history, by name."""

    by_name: Mapping[str, float]

    @property
    def product_K(self) -> NDArray[np.float32]:
        """Weights of the product features."""
        return np.array([self.by_name[n] for n in PRODUCT_FEATURES], dtype=np.float32)

    @property
    def term_T(self) -> NDArray[np.float32]:
        """Weights of the sparse terms; zeros when there are none."""
        return np.array([self.by_name.get(n, 0.0) for n in TERMS], dtype=np.float32)


@dataclass(frozen=True)
class Window:
    """One earlier window: who had a past and took something, described as of its start."""

    queries_C: HistoryQueries
    owns_CS: sparse.csr_matrix
    taken_CP: sparse.csr_matrix
    """Weights of what was taken in the window."""
    excluded_CP: sparse.csr_matrix
    """Products that are no candidates: ordered before, where only new ones count."""
    items: ItemGraph
    spectral: SpectralFactors
    fitment_PA: NDArray[np.float32]
    lift_SP: NDArray[np.float32]
    product_PK: NDArray[np.float32]
    fits_SP: sparse.csr_matrix

    @cached_property
    def lift_tells(self) -> bool:
        """Whether the lift tells any two vehicles apart that choosers own; else it is one more number of a product."""
        owned_S = np.unique(self.owns_CS.indices)
        return any((self.lift_SP[s] != self.lift_SP[owned_S[0]]).any() for s in owned_S[1:])


def fit_intent(
    windows: list[Window], paths: PathSettings, history: HistorySettings, *, sparse_terms: bool, seed: int
) -> dict[str, IntentWeights]:
    """Weights under which what users with a past took is most likely; penalties are those of the paths.

    Several answers, the cheapest to serve first. `joint`: everything but the smooth part, which costs the most
    dimensions. `smooth`, where windows have a smooth part: the inner product alone, with it, and the sparse terms'
    weights of the first beside it. Inner product and sparse terms tell much the same, so that `joint` may leave the
    inner product almost no weight, and a search by multiples (by_rank.py) never finds its way from there.

    Where no window's lift tells vehicles apart, its weight is the prior: what it then differs by between products is
    small, and a weight that makes it count is in the thousands and puts a product that is a little off on every list
    (docs/decisions/0026).
    """
    names = (*DENSE, *TERMS) if sparse_terms else DENSE
    rng = np.random.default_rng(seed)
    total = sum(w.taken_CP.shape[0] for w in windows)
    # Each costs dimensions of every vector, which a handful of choosers can't show to be worth it.
    left_out = dict.fromkeys((SPECTRAL,) if total >= history.rank_choosers else (SPECTRAL, FITMENT), 0.0)
    told = any(window.lift_tells for window in windows)
    parts: list[Choices] = []
    for window in windows:
        n = window.taken_CP.shape[0]
        kept = min(n, max(1, round(n * history.choosers / max(total, history.choosers))))
        chosen = np.sort(rng.permutation(n)[:kept])
        part_of = rng.integers(0, _PARTS, size=len(chosen))
        parts.extend(window_choices(window, chosen[part_of == k], rng, history, sparse_terms) for k in range(_PARTS))

    def fitted(of: Sequence[str], prior: Mapping[str, float]) -> dict[str, float]:
        kept = {} if told else {LIFT: prior.get(LIFT, 0.0)}
        of = [name for name in of if name not in kept]
        column_K = [names.index(name) for name in of]
        return kept | fit_logit([replace(part, x_RK=part.x_RK[:, column_K]) for part in parts], of, prior, paths)

    plain = tuple(name for name in DENSE if name not in left_out)
    joint = ((*plain, *TERMS), history.prior) if sparse_terms else (plain, history.prior_dense)
    found = {JOINT: fitted(*joint) | left_out}
    if any(window.spectral.in_PF.shape[1] for window in windows):
        found[SMOOTH] = found[JOINT] | fitted((*plain, SPECTRAL), history.prior_dense)
    return {name: IntentWeights(by_name) for name, by_name in found.items()}


def window_choices(
    window: Window, chooser_C: Int, rng: np.random.Generator, history: HistorySettings, sparse_terms: bool
) -> Choices:
    """Candidates of some choosers of a window with their features; choosers who took no candidate are left out."""
    queries = window.queries_C.rows(chooser_C)
    terms = history_terms(queries, window.items)
    near = sum(terms[1:], terms[0])
    profile_CI = np.asarray(queries.recent_RP @ window.items.left_PI)
    fits_CA = np.asarray(queries.recent_RP @ window.fitment_PA)
    smooth_CF = np.asarray(queries.recent_RP @ window.spectral.in_PF)
    x, weights, scales, lengths = [], [], [], []
    for c, chooser in enumerate(chooser_C):
        taken = window.taken_CP[chooser]
        segments = window.owns_CS[chooser].indices
        candidate_P = np.asarray(window.fits_SP[segments].sum(axis=0)).ravel() > 0
        candidate_P[window.excluded_CP[chooser].indices] = False
        positive = taken.indices[candidate_P[taken.indices]]
        if not len(positive):
            continue
        candidate_P[positive] = False
        spoken_P = np.zeros(len(candidate_P), dtype=bool)
        spoken_P[near.indices[near.indptr[c] : near.indptr[c + 1]]] = True
        drawn = [
            _drawn(np.flatnonzero(candidate_P & spoken_P), history.near_candidates, rng),
            _drawn(np.flatnonzero(candidate_P & ~spoken_P), history.other_candidates, rng),
        ]
        product = np.concatenate([positive, *(d for d, _ in drawn)])
        value = np.zeros(len(product))
        amount = np.asarray(taken[0, positive].todense()).ravel()
        value[: len(positive)] = amount / np.sqrt(max(1.0, float(amount.sum())))
        lift = window.lift_SP[segments][:, product].mean(axis=0)
        near_R = window.items.right_PI[product] @ profile_CI[c]
        smooth_R = window.spectral.out_PF[product] @ smooth_CF[c]
        alike_R = window.fitment_PA[product] @ fits_CA[c]
        columns = [window.product_PK[product], np.stack([lift, near_R, smooth_R, alike_R], axis=1)]
        if sparse_terms:
            columns += [np.asarray(term[c, product].todense()).reshape(-1, 1) for term in terms]
        x.append(np.concatenate(columns, axis=1).astype(np.float32))
        weights.append(value)
        scales.append(np.concatenate([np.zeros(len(positive)), *(np.full(len(d), s) for d, s in drawn)]))
        lengths.append(len(product))
    if not x:
        width = len(DENSE) + (len(TERMS) if sparse_terms else 0)
        return Choices(np.zeros((0, width), np.float32), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    return Choices(np.concatenate(x), np.concatenate(weights), np.concatenate(scales), first)


def _drawn(candidates: Int, most: int, rng: np.random.Generator) -> tuple[Int, float]:
    """At most so many of the candidates, and the log of how many each stands for."""
    if len(candidates) <= most:
        return candidates, 0.0
    return rng.choice(candidates, size=most, replace=False), float(np.log(len(candidates) / most))
