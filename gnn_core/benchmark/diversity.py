"""What diversified lists cost and give: recall against how different the products of a list are, by strength of MMR.

What belongs here: one fitted model's lists at several strengths, and their figures with intervals. What does not:
choosing the products (scoring/diversity.py), fitting and keeping (trials.py).

Lists are made as the weekly job makes them, business rules first. Judged on validation windows: the strength is a
choice.

Shape letters: A audience rows, K list length, U user-windows, N their positives, P products, L width of the vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnn_core.benchmark.results import CellResult
from gnn_core.benchmark.store_run import Window
from gnn_core.benchmark.trials import Trial, ValidationStore, placed
from gnn_core.config import EvaluationSettings, ScoringSettings, Settings
from gnn_core.errors import ConfigError
from gnn_core.evaluation import metrics
from gnn_core.evaluation.bootstrap import Lift, paired_lift
from gnn_core.model.recommender import GraphRecommender
from gnn_core.scoring.diversity import ListMaker
from gnn_core.snapshot import Int

STRENGTHS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
LISTED = 10
"""Length of the judged lists; the first slots of them are what is sent."""
OFF = 0.0
MEASURES = ("recall_4", "recall_10", "difference", "part_types")
_NAME = "diversity_"


def diversity_trial(spec: Any, strengths: Sequence[float]) -> Trial:
    """One fit of the defaults and the results of every strength.

    Raises:
        ConfigError: strengths are out of range, repeated, or do not begin with 0, which the others are compared with.
    """
    if not strengths or strengths[0] != OFF or len(set(strengths)) != len(strengths):
        raise ConfigError(f"strengths are {list(strengths)}; each is given once, and 0 first: it is compared with")
    if not all(0 <= s <= 1 for s in strengths):
        raise ConfigError(f"strengths are {list(strengths)}; each lies between 0 and 1")
    return Trial(spec, tuple(f"{_NAME}{strength:g}" for strength in strengths))


def judge_lists(store: ValidationStore, trial: Trial, settings: Settings) -> dict[str, CellResult]:
    """A result a strength; `facts` holds what its lists are like (see `_list_facts`)."""
    fitted = store.fitted(settings)
    windows = [window for window, _ in fitted]
    found = {}
    for name in trial.names:
        rules = replace(settings.scoring, diversity=float(name.removeprefix(_NAME)))
        lists = [_lists(window, model, replace(settings, scoring=rules)) for window, model in fitted]
        ranks = [_places(window, list_AK) for window, list_AK in zip(windows, lists, strict=True)]
        facts = _list_facts(fitted, lists, rules)
        if rules.diversity == OFF:
            facts["likeness"] = _likeness(*fitted[-1], lists[-1])
        found[name] = placed(windows, ranks, facts)
    return found


def _lists(window: Window, model: GraphRecommender, settings: Settings) -> Int:
    """(A, LISTED) products after the business rules; a list below `scoring.min_slots` is not sent: empty."""
    panel = window.panel
    model.prepare(panel.audience)
    maker = ListMaker(model, window.train, settings.scoring)
    list_AK = np.full((len(panel.audience), LISTED), -1, dtype=np.int64)
    for block in panel.blocks(settings.scoring.block_rows):
        bought_RP = panel.candidates.purchased(block.start, block.stop)
        scores_RP = model.score_block(block.start, block.stop)
        made, _ = maker.lists(scores_RP, block.mask_RP, bought_RP, LISTED)
        list_AK[block.start : block.stop, : made.shape[1]] = made
    list_AK[(list_AK >= 0).sum(axis=1) < settings.scoring.min_slots] = -1
    return list_AK


def _places(window: Window, list_AK: Int) -> Int:
    """(N,) place of each positive in its user's list; 0 where it is not listed."""
    panel = window.panel
    hit_NK = list_AK[panel.row_U[panel.user_N]] == panel.product_N[:, None]
    return np.where(hit_NK.any(axis=1), hit_NK.argmax(axis=1) + 1, 0).astype(np.int64)


def _list_facts(
    fitted: Sequence[tuple[Window, GraphRecommender]], lists: Sequence[Int], rules: ScoringSettings
) -> dict[str, Any]:
    """By name: `difference_U` and `part_types_U` of the first slots of each user-window's list, `coverage`: products on
    some list as a share of those that somebody could be shown, `distinct_lists`; the last two of the newest window."""
    slots, difference, types = rules.slots, [], []
    for (window, model), list_AK in zip(fitted, lists, strict=True):
        sent_AK = list_AK[:, :slots]
        difference.append(list_difference(sent_AK, model.likeness_vectors())[window.panel.row_U])
        types.append(part_types(sent_AK, window.train.part_type_P)[window.panel.row_U])
    window, sent_AK = fitted[-1][0], lists[-1][:, :slots]
    candidate_P = np.zeros(len(window.train.product_ids), dtype=bool)
    for block in window.panel.blocks(rules.block_rows):
        candidate_P |= block.mask_RP.any(axis=0)
    return {
        "difference_U": np.round(np.concatenate(difference), 6).tolist(),
        "part_types_U": np.concatenate(types).tolist(),
        "coverage": float(len(np.unique(sent_AK[sent_AK >= 0])) / max(int(candidate_P.sum()), 1)),
        "distinct_lists": len(np.unique(np.sort(sent_AK, axis=1), axis=0)),
    }


def list_difference(list_AK: Int, unit_PL: NDArray[np.float64]) -> NDArray[np.float64]:
    """(A,) mean of 1 − max(0, cosine) over the pairs of each list; 0 for a list of fewer than two products."""
    vector_AKL = np.where((list_AK >= 0)[..., None], unit_PL[np.maximum(list_AK, 0)], 0.0)
    cosine_AKK = np.maximum(np.einsum("akl,ajl->akj", vector_AKL, vector_AKL), 0.0)
    n_A = (list_AK >= 0).sum(axis=1)
    pair_AKK = (list_AK >= 0)[:, :, None] & (list_AK >= 0)[:, None, :] & ~np.eye(list_AK.shape[1], dtype=bool)
    pairs_A = n_A * (n_A - 1)
    alike_A = np.where(pair_AKK, cosine_AKK, 0.0).sum(axis=(1, 2))
    return np.where(pairs_A > 0, 1.0 - alike_A / np.maximum(pairs_A, 1), 0.0)


def part_types(list_AK: Int, part_type_P: Int) -> Int:
    """(A,) different part types in each list."""
    type_AK = np.sort(np.where(list_AK >= 0, part_type_P[np.maximum(list_AK, 0)], -1), axis=1)
    # Empty places come first and are of the same −1 as what is put before them.
    return (np.diff(type_AK, axis=1, prepend=-1) != 0).sum(axis=1).astype(np.int64)


def _likeness(window: Window, model: GraphRecommender, list_AK: Int) -> dict[str, dict[str, float | None]]:
    """Mean cosine of listed pairs of one part type and of different ones: by the vectors that MMR reads, and by the
    whole product vectors, popularity and bias included."""
    whole = model.product_vectors().astype(np.float64)
    whole /= np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-12)
    left, right = (list_AK[:, at].ravel() for at in np.triu_indices(list_AK.shape[1], 1))
    there = (left >= 0) & (right >= 0)
    left, right = left[there], right[there]
    same = window.train.part_type_P[left] == window.train.part_type_P[right]
    found = {}
    for name, unit_PL in (("factors", model.likeness_vectors()), ("whole", whole)):
        cosine = (unit_PL[left] * unit_PL[right]).sum(axis=1)
        found[name] = {
            "one_part_type": float(cosine[same].mean()) if same.any() else None,
            "different": float(cosine[~same].mean()) if (~same).any() else None,
        }
    return found


@dataclass(frozen=True)
class Point:
    """One strength on one store, seeds pooled."""

    cell: str
    strength: float
    seeds: int
    n_users: int
    means: dict[str, float]
    """By measure; recalls are of the lists after the business rules."""
    lifts: dict[str, Lift]
    """By measure: relative to strength 0, users resampled with everything that is theirs."""
    coverage: float
    """Mean over seeds."""
    distinct_lists: float
    likeness: dict[str, dict[str, float | None]] | None
    """Of seed 0, at strength 0 only."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return vars(self) | {"lifts": {name: lift.as_json() for name, lift in self.lifts.items()}}


def curve(made: Mapping[Trial, Mapping[str, CellResult]], settings: EvaluationSettings) -> list[Point]:
    """Every strength of every store, in the order of the trials."""
    cells: dict[str, list[Mapping[str, CellResult]]] = {}
    for trial, results in made.items():
        cells.setdefault(trial.spec.cell, []).append(results)
    return [_point(cell, name, seeds, settings) for cell, seeds in cells.items() for name in seeds[0]]


def _point(cell: str, name: str, seeds: Sequence[Mapping[str, CellResult]], settings: EvaluationSettings) -> Point:
    off, here = ([_values(results[which]) for results in seeds] for which in (f"{_NAME}{OFF:g}", name))
    user_N = np.unique(np.concatenate([results[name].user_U for results in seeds]), return_inverse=True)[1]
    means, lifts = {}, {}
    for measure in MEASURES:
        mine, theirs = (np.concatenate([values[measure] for values in side]) for side in (here, off))
        means[measure] = float(mine.mean())
        lifts[measure] = paired_lift(
            mine,
            theirs,
            user_N,
            draws=settings.bootstrap_draws,
            confidence=settings.confidence,
            seed=settings.seed,
        )
    facts = [results[name].facts for results in seeds]
    return Point(
        cell=cell,
        strength=float(name.removeprefix(_NAME)),
        seeds=len(seeds),
        n_users=int(user_N.max()) + 1,
        means=means,
        lifts=lifts,
        coverage=float(np.mean([f["coverage"] for f in facts])),
        distinct_lists=float(np.mean([f["distinct_lists"] for f in facts])),
        likeness=facts[0].get("likeness"),
    )


def _values(result: CellResult) -> dict[str, NDArray[np.float64]]:
    """(U,) each measure of MEASURES."""
    hits = metrics.hits_from_ranks(result.user_N, result.rank_N, len(result.n_positives_U), LISTED)
    return {
        "recall_4": metrics.recall_at_k(hits[:, :4], result.n_positives_U),
        "recall_10": metrics.recall_at_k(hits, result.n_positives_U),
        "difference": np.asarray(result.facts["difference_U"], dtype=np.float64),
        "part_types": np.asarray(result.facts["part_types_U"], dtype=np.float64),
    }
