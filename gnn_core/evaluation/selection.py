"""Everything that is chosen, chosen on validation windows and then frozen, before the test window is looked at.

What belongs here: the baseline, α, the smoother's strengths, which policy may be promoted. What does not: training
(it stops on the same windows), the gate (it judges what was chosen).

Shape letters: U user-windows, N positives, C candidates of a block.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnn_core.config import Settings
from gnn_core.errors import DataError, LeakageError
from gnn_core.evaluation.bootstrap import Lift, paired_lift
from gnn_core.evaluation.evaluate import places, recall_of
from gnn_core.evaluation.gate import signed_percent
from gnn_core.evaluation.metrics import Vector
from gnn_core.evaluation.panel import Panel, build_panel
from gnn_core.graph.split import Cut
from gnn_core.recommender import Recommender
from gnn_core.scoring.hybrid import scale_block
from gnn_core.scoring.peers.smoother import Smoother
from gnn_core.scoring.rank import checked_block
from gnn_core.snapshot import Snapshot


@dataclass(frozen=True)
class Fitted:
    """What was fitted on everything before one validation window."""

    cut: Cut
    train: Snapshot
    """The store as of `cut.fitted_before`."""
    sql: Mapping[str, Recommender]
    """The SQL versions by name, the older first."""
    graph: Recommender
    best_step: int
    """Training step of the graph's kept state; 0 = no step beat the initialisation."""


@dataclass(frozen=True)
class SmootherPoint:
    """One pair of the smoother's strengths, in pseudo-orders, and its mean Recall@10 on validation."""

    segment_strength: float
    make_strength: float
    recall: float


@dataclass(frozen=True)
class Selection:
    """The choices, with the figures they rest on. Recalls are means of Recall@10 over validation user-windows."""

    baseline: str
    """The stronger SQL version: what every lift is relative to."""
    alpha: float
    """final = α · sql + (1 − α) · graph."""
    alpha_curve: tuple[tuple[float, float], ...]
    """(α, Recall@10) of every α that was tried, α ascending."""
    smoother: SmootherPoint
    smoother_grid: tuple[SmootherPoint, ...]
    candidate: str
    """`hybrid` or `smoother`: what may be promoted, if it passes the gate."""
    reason: str
    """Why this candidate, in sentences."""
    recalls: dict[str, float]
    """By model: the SQL versions, graph, hybrid (at the chosen α), smoother (at the chosen strengths)."""
    graph_against_smoother: Lift
    best_steps: tuple[int, ...]
    cuts: tuple[str, ...]
    n_users: int
    n_rows: int

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Selection:
        """The selection that `as_json` wrote."""
        rebuilt = dict(values) | {
            "alpha_curve": tuple((float(a), float(r)) for a, r in values["alpha_curve"]),
            "smoother": SmootherPoint(**values["smoother"]),
            "smoother_grid": tuple(SmootherPoint(**p) for p in values["smoother_grid"]),
            "graph_against_smoother": Lift(**values["graph_against_smoother"]),
            "best_steps": tuple(values["best_steps"]),
            "cuts": tuple(values["cuts"]),
        }
        return cls(**rebuilt)


def select(
    fitted: Sequence[Fitted], snapshot: Snapshot, settings: Settings, eligible_P: NDArray[np.bool_]
) -> Selection:
    """Choose on the pooled validation windows; nothing after the last of them is looked at.

    - baseline: the SQL version with the higher Recall@10; at a tie the later one.
    - α: the best of `hybrid.alphas` for that baseline and the graph; at a tie the larger, which keeps more of SQL.
    - smoother: the best pair of `evaluation.smoother_multiples` × the configured strengths; at a tie the pair
      nearest to the configured one.
    - candidate: the hybrid, unless the graph's interval against the smoother lies below zero. A smoother whose
      strengths are the best of many is flattered by its own choice; a higher mean alone says little.

    Args:
        fitted: one entry a validation window, each fitted before it.
        snapshot: the whole store; what follows the last validation window is cut off first.
        settings: sections evaluation, scoring, eligibility, hybrid and baseline.
        eligible_P: products that may be recommended at all.
    Raises:
        LeakageError: a window is no validation window. DataError: nothing was fitted, or nobody is evaluable.
    """
    if not fitted:
        raise DataError("nothing to select from: no validation window was fitted")
    for entry in fitted:
        if entry.cut.role != "validation":
            raise LeakageError(f"cut {entry.cut.name} has role {entry.cut.role}; choices are made on validation only")
    known = snapshot.before(max(entry.cut.end for entry in fitted))
    panels = [build_panel(known, entry.train, entry.cut, settings, eligible_P) for entry in fitted]
    user_U = np.concatenate([panel.users["user"].to_numpy() for panel in panels])
    if not len(user_U):
        raise DataError(
            f"validation windows {[p.cut.name for p in panels]} have no evaluable user; widen split.horizon_days or "
            "add to split.validation_cuts"
        )
    recalls = {name: _pooled(panels, [e.sql[name] for e in fitted], settings) for name in fitted[0].sql}
    baseline = max(recalls, key=lambda name: (recalls[name].mean(), list(recalls).index(name)))
    recalls["graph"] = _pooled(panels, [e.graph for e in fitted], settings)
    curve = _alpha_curve(panels, [e.sql[baseline] for e in fitted], [e.graph for e in fitted], settings)
    alpha = max(curve, key=lambda a: (curve[a].mean(), a))
    recalls["hybrid"] = curve[alpha]
    grid = smoother_grid(panels, settings)
    smoother = max(grid, key=lambda point: point.recall)
    recalls["smoother"] = _smoother_recall(panels, smoother.segment_strength, smoother.make_strength, settings)
    against = paired_lift(
        recalls["graph"],
        recalls["smoother"],
        user_U,
        draws=settings.evaluation.bootstrap_draws,
        confidence=settings.evaluation.confidence,
        seed=settings.evaluation.seed,
    )
    means = {name: float(values.mean()) for name, values in recalls.items()}
    best_steps = tuple(entry.best_step for entry in fitted)
    candidate, reason = _candidate(means, alpha, best_steps, against)
    return Selection(
        baseline=baseline,
        alpha=alpha,
        alpha_curve=tuple((a, float(values.mean())) for a, values in curve.items()),
        smoother=smoother,
        smoother_grid=tuple(grid),
        candidate=candidate,
        reason=reason,
        recalls=means,
        graph_against_smoother=against,
        best_steps=best_steps,
        cuts=tuple(entry.cut.name for entry in fitted),
        n_users=len(np.unique(user_U)),
        n_rows=len(user_U),
    )


def _pooled(panels: Sequence[Panel], recommenders: Sequence[Recommender], settings: Settings) -> Vector:
    """(U,) Recall@10 of one model over all windows, each window with the recommender fitted before it."""
    return np.concatenate([recall_of(p, places(p, r, settings)) for p, r in zip(panels, recommenders, strict=True)])


def _alpha_curve(
    panels: Sequence[Panel], sqls: Sequence[Recommender], graphs: Sequence[Recommender], settings: Settings
) -> dict[float, Vector]:
    """(U,) Recall@10 of the hybrid at each α, ascending. Components are scored once, not once an α."""
    alphas = sorted(set(settings.hybrid.alphas))
    windows = [
        _window_curve(panel, sql, graph, alphas, settings)
        for panel, sql, graph in zip(panels, sqls, graphs, strict=True)
    ]
    return {alpha: np.concatenate([window[alpha] for window in windows]) for alpha in alphas}


def _window_curve(
    panel: Panel, sql: Recommender, graph: Recommender, alphas: Sequence[float], settings: Settings
) -> dict[float, Vector]:
    n_products = len(panel.train.product_ids)
    keys, pair_of_N = panel.pairs
    rank = {alpha: np.zeros(len(keys), dtype=np.int64) for alpha in alphas}
    for recommender in (sql, graph):
        recommender.prepare(panel.audience)
    for block in panel.blocks(settings.scoring.block_rows):
        raw = [checked_block(r, block.start, block.stop, n_products) for r in (sql, graph)]
        scaled = [block.flat.take(scale_block(s, block.mask_RP, settings.hybrid.scale)) for s in raw]
        raw_flat = [block.flat.take(s) for s in raw]
        for alpha in alphas:
            # As in scoring/hybrid.py, operation by operation; a test holds the two together.
            if alpha in (0.0, 1.0):
                scores_C = raw_flat[0] if alpha == 1.0 else raw_flat[1]
            else:
                scores_C = np.float32(alpha) * scaled[0] + np.float32(1 - alpha) * scaled[1]
            rank[alpha][block.pair_N] = block.flat.ranks(scores_C, block.row_N, block.product_N)
    return {alpha: recall_of(panel, rank[alpha][pair_of_N]) for alpha in alphas}


def smoother_grid(panels: Sequence[Panel], settings: Settings) -> list[SmootherPoint]:
    """Every pair of strengths, nearest to the configured one first."""
    base, multiples = settings.baseline, sorted(set(settings.evaluation.smoother_multiples))
    pairs = sorted(itertools.product(multiples, multiples), key=lambda p: abs(math.log(p[0])) + abs(math.log(p[1])))
    points = []
    for segment, make in pairs:
        strengths = base.smoother_segment_strength * segment, base.smoother_make_strength * make
        points.append(SmootherPoint(*strengths, float(_smoother_recall(panels, *strengths, settings).mean())))
    return points


def _smoother_recall(panels: Sequence[Panel], segment: float, make: float, settings: Settings) -> Vector:
    recommenders = [Smoother(segment, make) for _ in panels]
    for panel, recommender in zip(panels, recommenders, strict=True):
        recommender.fit(panel.train)
    return _pooled(panels, recommenders, settings)


def _candidate(recalls: Mapping[str, float], alpha: float, best_steps: Sequence[int], against: Lift) -> tuple[str, str]:
    smoother, hybrid = recalls["smoother"], recalls["hybrid"]
    figures = f"(Recall@10 on validation: smoother {smoother:.4f}, hybrid {hybrid:.4f} at α = {alpha:g})"
    beside = ""
    if against.estimate is not None:
        high = "no upper limit" if against.high is None else signed_percent(against.high)
        beside = (
            f" The graph alone stands at {signed_percent(against.estimate)} against the smoother, between "
            f"{signed_percent(against.low)} and {high}."
        )
    if against.high is not None and against.high < 0:
        why = f"The smoother ranks better than the graph on validation beyond chance, so it is the candidate {figures}."
        return "smoother", why + beside
    if max(best_steps) == 0:
        beside += " No gradient step improved on what the paths of the graph say by themselves; it was kept as it is."
    if smoother > hybrid:
        why = (
            f"The smoother ranks better on validation, but not beyond chance; the hybrid stays the candidate {figures}."
        )
        return "hybrid", why + beside
    return "hybrid", f"The hybrid ranks at least as well as the smoother on validation {figures}.{beside}"


def with_selection(settings: Settings, selection: Selection) -> Settings:
    """The settings with the chosen smoother strengths in place, so that every later fit uses what was frozen."""
    chosen = selection.smoother
    baseline = dataclasses.replace(
        settings.baseline,
        smoother_segment_strength=chosen.segment_strength,
        smoother_make_strength=chosen.make_strength,
    )
    return dataclasses.replace(settings, baseline=baseline)
