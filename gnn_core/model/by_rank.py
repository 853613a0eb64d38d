"""The parts of a history's score, weighed anew by how high what was taken ranks.

What belongs here: a search over multiples of fitted weights, part by part, from several fits. What does not: the fits
(intent.py), which choices teach (training/constants.py: earlier windows, or hidden pairs where there is none).

A logit asks for the likelihood of what was taken, and closeness in an inner product is no log likelihood: its few large
values are cut down, and popularity fills in, where a ranking wants the reverse. Where enough choices can be ranked,
the ranking itself is asked.

Shape letters: C choosers, P products, G groups of weights, N taken pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
    "fitment": ("fitment",),
    "terms": ("near", "near_recent", "follows"),
    "own": ("viewed", "carted", "ordered", "recently"),
}
"""Weights that are multiplied together."""
_LIFT = tuple(GROUPS).index("vehicles")
_BLOCK_CELLS = 200_000
"""Scores that are summed and counted at a time: three arrays of 0.8 MB stay in the cache of a core, where whole
matrices would go through memory for every multiple."""
_SORTED_FROM = 20
"""Pairs a chooser, from which on sorting all scores takes less time than counting for each pair."""


def weighed_by_rank(
    windows: Sequence[Window],
    starts: Mapping[str, IntentWeights],
    settings: HistorySettings,
    *,
    seed: int,
    measures: Sequence[str] | None = None,
) -> dict[str, IntentWeights]:
    """Multiples of fitted weights under which what was taken ranks highest, by `START_MEASURE`.

    From each start and by each measure, group after group takes the best multiple, for a few rounds or until none is
    better: the choosers are few and the way is greedy, so that different ways end at different places. A gain has not
    to be beyond chance: a search that asked for two standard errors stopped before it came to weights that did rank
    later windows higher (docs/decisions/0019).

    Args:
        windows: of earlier choices, or of hidden pairs; every chooser counts once in each.
        starts: weights fitted on the same windows; groups without a weight stay without.
        measures: to climb by; None = all of the settings.
    Returns:
        Measure by measure; of one, what ranks these choices higher comes first, at a tie the earlier start. Of too few
        choosers the first start alone, as it is, under its own name.
    """
    first = dict([next(iter(starts.items()))])
    measures = settings.rank_measures if measures is None else measures
    if sum(np.count_nonzero(np.diff(window.taken_CP.indptr)) for window in windows) < settings.rank_choosers:
        return first  # before anything is made dense
    cells = settings.rank_cells // len(windows)
    drawn = [_choosers(window, cells, seed) for window in windows]
    found: dict[tuple[str, str], tuple[float, IntentWeights]] = {}
    for name, start in starts.items():
        asked = [_Asked(window, chooser_C, start, settings) for window, chooser_C in zip(windows, drawn, strict=True)]
        if sum(window.n_choosers for window in asked) < settings.rank_choosers:
            return first
        for measure in measures:
            found[measure, name] = _climbed(asked, start, measure, settings)
    best_first = sorted(found, key=lambda end: (measures.index(end[0]), -found[end][0]))
    return {f"{name}_{measure}": found[measure, name][1] for measure, name in best_first}


def _climbed(
    asked: Sequence[_Asked], start: IntentWeights, measure: str, settings: HistorySettings
) -> tuple[float, IntentWeights]:
    """What the ranking is worth where the search ends from one start, and the weights there."""
    multiple_G = np.ones(len(GROUPS))
    best = float(np.concatenate([window.worth(multiple_G, measure) for window in asked]).mean())
    spoken = [g for g in range(len(GROUPS)) if any(window.says(g) for window in asked)]
    for _ in range(settings.rank_rounds):
        better = False
        for g in spoken:
            worth_K = np.concatenate([window.worths(multiple_G, g, measure) for window in asked], axis=1).mean(axis=1)
            worth_K[multiple_G[g] * np.array(settings.rank_multiples) > settings.rank_reach] = -np.inf
            k = int(np.argmax(worth_K))
            if worth_K[k] > best:
                best, better = float(worth_K[k]), True
                multiple_G[g] *= settings.rank_multiples[k]
        if not better:
            break
    by_name = dict(start.by_name)
    for multiple, names in zip(multiple_G, GROUPS.values(), strict=True):
        by_name |= {name: float(multiple) * by_name[name] for name in names if name in by_name}
    return best, IntentWeights(by_name)


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
        self._lift_tells = window.lift_tells
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
            np.float32(weight["fitment"]) * ((profile_CP @ window.fitment_PA) @ window.fitment_PA.T),
        ]
        if "near" in weight:
            made = dict(zip(TERMS, history_terms(queries, items), strict=True))
            for group in ("terms", "own"):
                summed = sum((weight[name] * made[name] for name in GROUPS[group]), sparse.csr_matrix(shape))
                self._parts.append(summed.astype(np.float32).toarray())
        taken = window.taken_CP[chooser_C]
        row_N, product_N = np.repeat(np.arange(shape[0]), np.diff(taken.indptr)), taken.indices
        open_N = ~self._barred_CP[row_N, product_N]
        self._row_N, self._product_N = row_N[open_N], product_N[open_N]
        self._taken_C = np.bincount(self._row_N, minlength=shape[0])
        self.n_choosers = int(np.count_nonzero(self._taken_C))
        """Who took a candidate."""

    def worth(self, multiple_G: Float, measure: str) -> Float:
        """(C,) worth of the ranking under multiples of all groups, of choosers who took a candidate."""
        above_N = np.empty(len(self._row_N))
        for row_R, pair_N in self._blocks():
            above_N[pair_N] = self._above(self._summed(multiple_G, row_R), row_R.start, pair_N, measure)
        return self._worth(above_N, measure)

    def says(self, group: int) -> bool:
        """Whether a group has a say that can be weighed: a lift that tells no vehicles apart has none (intent.py)."""
        if group >= len(self._parts) or (group == _LIFT and not self._lift_tells):
            return False
        return bool(self._parts[group].any())

    def worths(self, multiple_G: Float, group: int, measure: str) -> Float:
        """(K, C) the same under each multiple of one group, beside the given ones."""
        others_G = np.where(np.arange(len(multiple_G)) == group, 0.0, multiple_G)
        above_KN = np.empty((len(self._settings.rank_multiples), len(self._row_N)))
        for row_R, pair_N in self._blocks():
            others_RP = self._summed(others_G, row_R)
            own_RP = np.float32(multiple_G[group]) * self._parts[group][row_R]
            for k, multiple in enumerate(self._settings.rank_multiples):
                score_RP = others_RP + np.float32(multiple) * own_RP
                above_KN[k, pair_N] = self._above(score_RP, row_R.start, pair_N, measure)
        return np.stack([self._worth(above_N, measure) for above_N in above_KN])

    def _blocks(self) -> Iterator[tuple[slice, slice]]:
        """Rows of some choosers, and their pairs, which come in the order of the rows."""
        n_C, n_P = self._barred_CP.shape
        for start in range(0, n_C, size := max(1, _BLOCK_CELLS // max(n_P, 1))):
            stop = min(start + size, n_C)
            yield slice(start, stop), slice(*np.searchsorted(self._row_N, [start, stop]).tolist())

    def _summed(self, multiple_G: Float, row_R: slice) -> NDArray[np.float32]:
        barred_RP = self._barred_CP[row_R]
        score_RP = np.zeros(barred_RP.shape, dtype=np.float32)
        for multiple, part_CP in zip(multiple_G, self._parts, strict=False):
            if multiple:
                score_RP += np.float32(multiple) * part_CP[row_R]
        np.copyto(score_RP, -np.inf, where=barred_RP)
        return score_RP

    def _above(self, score_RP: NDArray[np.float32], first: int, pair_N: slice, measure: str) -> Float:
        """How many products rank above each of some pairs, a tie as half a one; infinite where that is all one asks.

        Args:
            score_RP: of the choosers from the `first` on.
        """
        row_N = self._row_N[pair_N] - first
        last = self._settings.rank_length if measure == "recall" else score_RP.shape[1]
        above_N = np.full(len(row_N), np.inf)
        if len(row_N) > _SORTED_FROM * len(score_RP):
            return self._above_sorted(score_RP, row_N, self._product_N[pair_N], last)
        # Counting what lies above a few pairs takes a seventh of the time of finding each row's last place.
        for n, (row, own) in enumerate(zip(row_N, score_RP[row_N, self._product_N[pair_N]], strict=True)):
            above = np.count_nonzero(score_RP[row] > own)
            if above < last:
                above_N[n] = above + (np.count_nonzero(score_RP[row] == own) - 1) / 2
        return above_N

    def _above_sorted(self, score_RP: NDArray[np.float32], row_N: Int, product_N: Int, last: int) -> Float:
        """The same of many pairs a row: each row sorted once."""
        above_N, own_N = np.empty(len(row_N)), score_RP[row_N, product_N]
        sorted_RP = np.sort(score_RP, axis=1)
        bounds = np.searchsorted(row_N, np.arange(len(score_RP) + 1)).tolist()
        for sorted_P, first, stop in zip(sorted_RP, bounds, bounds[1:], strict=False):
            below = np.searchsorted(sorted_P, own_N[first:stop], side="left")
            not_above = np.searchsorted(sorted_P, own_N[first:stop], side="right")
            above = len(sorted_P) - not_above
            above_N[first:stop] = np.where(above < last, above + (not_above - below - 1) / 2, np.inf)
        return above_N

    def _worth(self, above_N: Float, measure: str) -> Float:
        """(C,) mean over a chooser's pairs of what their places are worth, of choosers who took a candidate.

        Recall: 1 among the first, else 0. DCG: 1 / log2(2 + products above), which tells more of a chooser whose pairs
        are far from the first places.
        """
        length = self._settings.rank_length
        worth_N = above_N < length if measure == "recall" else 1.0 / np.log2(2.0 + above_N)
        worth_C = np.bincount(self._row_N, weights=worth_N, minlength=len(self._taken_C))
        took_C = self._taken_C > 0
        return worth_C[took_C] / self._taken_C[took_C]
