"""What the graph model must reach, and whether it does.

What belongs here: the targets as data, and the verdict on each. What does not: figures (figures.py), gate 1 (a single
week's decision, evaluation/gate.py).

Targets are for the graph model itself, not for a blend or a fallback. A must that is missed stays in the table.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from gnn_core.benchmark.figures import ALL, BEST_SIMPLE, SQL_INTENT, STAND_INS, CellFigures, Figures
from gnn_core.benchmark.published import REFIT
from gnn_core.benchmark.variants import GRAPH, SQL
from gnn_core.evaluation.bootstrap import Lift
from gnn_core.evaluation.gate import signed_percent

GOAL, MUST, MISSED, INCONCLUSIVE, NOT_RUN = "goal reached", "must reached", "missed", "inconclusive", "not run"
MIN_SEEDS = 3
"""Claims are means over at least so many seeds; with fewer, the row says so."""
MIN_BASELINE_HITS = 30
"""As gate 1: below this a ratio of hits says nothing."""
DOT = "graph_dot"
"""The graph model as one dot product alone; `graph` adds the sparse terms of a history beside it."""
NULL_SEEDS, NULL_PASSES = 200, 0.05
"""Planted null: so many stores, and the upper end of the share of false passes."""


@dataclass(frozen=True)
class Row:
    """One line of the targets table."""

    data: str
    measure: str
    must: str
    goal: str
    reached: str
    """The figure with its interval and the seeds, or why there is none."""
    verdict: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: tuple[float, ...] = ()
    """The same figure of each seed by itself."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return vars(self) | {"seeds": list(self.seeds)}


@dataclass(frozen=True)
class LiftTarget:
    """A relative lift of the primary metric in one cell."""

    cell: str
    must: float
    goal: float
    reference: str = SQL
    above_zero: bool = False
    """The interval's lower end must be above zero too."""


LIFTS = (
    LiftTarget("sports_cold50", 0.33, 0.42),
    LiftTarget("sports_cold90", 0.15, 0.22),
    LiftTarget("sports_cold98", 0.02, 0.08),
    LiftTarget("beauty_cold50", 0.12, 0.20),
    LiftTarget("beauty_cold90", 0.14, 0.21),
    LiftTarget("beauty_cold98", 0.02, 0.10),
    LiftTarget("retailrocket", 0.50, 0.80, reference=SQL_INTENT, above_zero=True),
    LiftTarget("online_retail", 1.50, 2.00),
)
REBUY_CELL, REBUY_GOAL = "online_retail_rebuy", 0.04
"""Must: not shown worse than SQL, which is: the interval does not lie below zero."""
POOLED_FLOOR, POOLED_GOAL = -0.01, 0.05
"""Against the best simple model: pooled lower end and every cell's upper end ≥ floor; goal: pooled ≥ 5 %, low > 0."""


@dataclass(frozen=True)
class ValueTarget:
    """A mean that must be reached in one cell."""

    cell: str
    model: str
    metric: str
    must: float
    goal: float


_LAST_ITEMS = (
    ("beauty_last_item", DOT, 0.080, 0.090),
    ("sports_last_item", DOT, 0.042, 0.052),
    ("beauty_last_item", GRAPH, 0.095, 0.105),
    ("sports_last_item", GRAPH, 0.052, 0.060),
)
VALUES = (
    *(
        ValueTarget(f"{cell}{refit}", model, "hit_rate_10", must, goal)
        for refit in ("", REFIT)
        for cell, model, must, goal in _LAST_ITEMS
    ),
    ValueTarget("gowalla", DOT, "recall_20", 0.183, 0.192),
    ValueTarget("gowalla", DOT, "ndcg_20", 0.150, 0.160),
)


def judged_targets(figures: Figures, planted_null: Mapping[str, Any] | None = None) -> list[Row]:
    """Every target with what was reached.

    Args:
        figures: of a run.
        planted_null: `n`, `passes` and `high` of `gnn bench planted`, where it was run.
    """
    rows = [_lift_row(figures, target) for target in LIFTS[:6]]
    rows.append(_simple_row(figures))
    rows += [_lift_row(figures, target) for target in LIFTS[6:]]
    rows.append(_rebuy_row(figures))
    rows += [_value_row(figures, target) for target in VALUES]
    rows += [_null_row(planted_null), _shuffled_row(figures)]
    return rows


def _lift_row(figures: Figures, target: LiftTarget) -> Row:
    against = "SQL" if target.reference == SQL else "SQL with intent"
    bound = ", interval above 0" if target.above_zero else ""
    must, goal = f"≥ {signed_percent(target.must)}{bound}", f"≥ {signed_percent(target.goal)}"

    def reaches(lift: Lift, threshold: float) -> bool:
        enough = _reaches(lift.estimate, threshold)
        return enough and (not target.above_zero or (lift.low is not None and lift.low > 0))

    return _of_lift(
        figures,
        (target.cell, f"lift over {against}", must, goal),
        target.reference,
        lambda lift: GOAL if reaches(lift, target.goal) else MUST if reaches(lift, target.must) else MISSED,
    )


def _rebuy_row(figures: Figures) -> Row:
    def verdict(lift: Lift) -> str:
        if _reaches(lift.estimate, REBUY_GOAL):
            return GOAL
        return MUST if lift.high is None or lift.high >= 0 else MISSED

    words = (REBUY_CELL, "lift over SQL", "not shown worse", f"≥ {signed_percent(REBUY_GOAL)}")
    return _of_lift(figures, words, SQL, verdict)


def _of_lift(figures: Figures, words: tuple[str, str, str, str], reference: str, verdict: Callable[[Lift], str]) -> Row:
    cell = figures.cells.get(words[0])
    lift = None if cell is None else cell.lifts.get((ALL, GRAPH, reference, cell.metric))
    if cell is None or lift is None:
        return Row(*words, _lacking(cell, GRAPH), NOT_RUN)
    seeds = cell.seed_lifts(GRAPH, reference)
    said = verdict(lift)
    if lift.n_baseline_hits < MIN_BASELINE_HITS or lift.estimate is None:
        said = INCONCLUSIVE
    return Row(*words, _shown(lift, seeds, cell), said, lift.estimate, lift.low, lift.high, seeds)


def _simple_row(figures: Figures) -> Row:
    words = (
        "sports and beauty, cold",
        "lift over the best of smoother, ridge, conditional logit",
        f"pooled interval ≥ {signed_percent(POOLED_FLOOR)}, no cell's interval below that",
        f"pooled ≥ {signed_percent(POOLED_GOAL)}, interval above 0",
    )
    wanted = [target.cell for target in LIFTS[:6]]
    pooled = figures.pooled
    key = (ALL, GRAPH, BEST_SIMPLE, "recall_10")
    missing = [c for c in wanted if c not in figures.cells or key not in figures.cells[c].lifts]
    if pooled is None or key not in pooled.lifts or missing:
        return Row(*words, f"lacks {', '.join(missing)}" if missing else "", NOT_RUN)
    lift = pooled.lifts[key]
    highs = {c: figures.cells[c].lifts[key].high for c in wanted}
    worse = [c for c, high in highs.items() if high is not None and high < POOLED_FLOOR]
    no_worse = lift.low is not None and lift.low >= POOLED_FLOOR and not worse
    better = _reaches(lift.estimate, POOLED_GOAL) and lift.low is not None and lift.low > 0
    said = GOAL if better and no_worse else MUST if no_worse else MISSED
    note = f"; worse in {', '.join(worse)}" if worse else ""
    return Row(*words, _interval(lift) + note + _few(pooled.seeds), said, lift.estimate, lift.low, lift.high)


def _value_row(figures: Figures, target: ValueTarget) -> Row:
    kind = "one dot product" if target.model == DOT else "with a sparse item–item term"
    kind += ", trained on the validation items too" if target.cell.endswith(REFIT) else ""
    name, _, k = target.metric.rpartition("_")
    label = {"hit_rate": "HR", "recall": "Recall", "ndcg": "NDCG"}[name]
    words = (target.cell, f"{label}@{k}, {kind}", f"≥ {target.must:.3f}", f"≥ {target.goal:.3f}")
    cell = figures.cells.get(target.cell)
    if cell is None or (ALL, target.model, target.metric) not in cell.means:
        return Row(*words, _lacking(cell, target.model), NOT_RUN)
    mean = cell.means[ALL, target.model, target.metric]
    low, high = cell.intervals[target.model, target.metric]
    seeds = cell.seed_means[target.model, target.metric]
    said = GOAL if _reaches(mean, target.goal) else MUST if _reaches(mean, target.must) else MISSED
    spread = f"; seeds {' '.join(f'{s:.4f}' for s in seeds)}" if len(seeds) > 1 else ""
    reached = f"{mean:.4f} [{low:.4f}, {high:.4f}]{spread}{_few(cell.seeds)}"
    return Row(*words, reached, said, mean, low, high, seeds)


def _null_row(found: Mapping[str, Any] | None) -> Row:
    words = ("simulator, planted null", f"gate 1 passes, {NULL_SEEDS} stores or more", f"≤ {NULL_PASSES:.0%}", "–")
    if found is None:
        return Row(*words, "gnn bench planted --world null", NOT_RUN)
    reached = f"{found['passes']} of {found['n']}, at most {found['high']:.1%}"
    few = found["n"] < NULL_SEEDS
    said = INCONCLUSIVE if few else MUST if found["high"] <= NULL_PASSES else MISSED
    return Row(*words, reached, said, found["passes"] / found["n"], high=found["high"])


def _shuffled_row(figures: Figures) -> Row:
    words = ("shuffled stores", "lift over popularity", "no model's interval above 0", "–")
    if not figures.shuffled:
        return Row(*words, "gnn bench quality --shuffle", NOT_RUN)
    beats, asked = [], 0
    for name, cell in figures.shuffled.items():
        for model in cell.models:
            lift = cell.lifts.get((ALL, model, "popularity", cell.metric))
            if lift is not None and model not in STAND_INS:
                asked += 1
                if lift.low is not None and lift.low > 0:
                    beats.append(f"{model} in {name} {_interval(lift)}")
    reached = f"{asked - len(beats)} of {asked} comparisons" + (f"; above: {'; '.join(beats)}" if beats else "")
    return Row(*words, reached, NOT_RUN if not asked else MISSED if beats else MUST)


def _reaches(value: float | None, threshold: float) -> bool:
    """121 hits against 100 are 21 % more, whatever the last bit says."""
    return value is not None and value >= threshold - 1e-9


def _shown(lift: Lift, seeds: Sequence[float], cell: CellFigures) -> str:
    spread = f"; seeds {' '.join(signed_percent(s) for s in seeds)}" if len(seeds) > 1 else ""
    return f"{_interval(lift)}{spread}{_over_seeds(seeds)}{_few(cell.seeds)}"


def _over_seeds(seeds: Sequence[float]) -> str:
    """Mean of the seeds' own lifts with a t interval: users are resampled on these very splits, which says nothing of
    others.
    """
    if len(seeds) < MIN_SEEDS:
        return ""
    half = float(stats.t.ppf(0.975, len(seeds) - 1)) * statistics.stdev(seeds) / math.sqrt(len(seeds))
    return f", their mean {signed_percent(statistics.fmean(seeds))} ± {half:.1%}"


def _lacking(cell: CellFigures | None, model: str) -> str:
    """Why a model that was run for some seeds has no figure."""
    return "lacks a seed that others have" if cell is not None and model in cell.lacking else ""


def _interval(lift: Lift) -> str:
    if lift.estimate is None:
        return "no baseline hit"
    high = "∞" if lift.high is None else signed_percent(lift.high)
    low = "" if lift.low is None else signed_percent(lift.low)
    return f"{signed_percent(lift.estimate)} [{low}, {high}]"


def _few(seeds: Sequence[int]) -> str:
    return f" ({len(seeds)} of {MIN_SEEDS} seeds)" if len(seeds) < MIN_SEEDS else ""
