"""Settings of the graph model against its defaults: Recall@10 on validation windows, lifts with intervals, Holm.

What belongs here: figures of trials that rank (trials.judge_ranking). What does not: which settings are tried
(variants.py, search.py), what follows from the figures (search.py, decision records).

Every setting stops its training on the windows that it is judged on, which flatters all of them alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnn_core.benchmark.results import CellResult
from gnn_core.benchmark.trials import RESULT, Changes, Trial
from gnn_core.config import EvaluationSettings
from gnn_core.errors import DataError
from gnn_core.evaluation import metrics
from gnn_core.evaluation.bootstrap import Lift, holm, paired_lift
from gnn_core.evaluation.evaluate import GATE_K

DEFAULTS = "defaults"
"""Name of the trial that the others are compared with."""


@dataclass(frozen=True)
class Compared:
    """One setting on one store, seeds pooled."""

    cell: str
    name: str
    changes: Changes
    recall: float
    """Mean Recall@10 over user-windows and seeds."""
    by_seed: tuple[float, ...]
    lift: Lift | None
    """Over the defaults; None for the defaults themselves."""
    p_holm: float | None
    """Of the store's comparisons."""
    best_steps: tuple[int, ...]
    """Kept training step of each seed and window."""
    seconds: float
    """Mean over seeds: fitting and judging."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return vars(self) | {"lift": None if self.lift is None else self.lift.as_json()}


def compared(made: Mapping[Trial, Mapping[str, CellResult]], settings: EvaluationSettings) -> list[Compared]:
    """Every setting of every store, in the order of the trials.

    Args:
        made: trials with a single result each. Trials of one name and store differ in their seeds alone.
    Raises:
        DataError: a store has no trial named DEFAULTS, or its settings were judged on different users.
    """
    cells: dict[str, dict[str, list[tuple[Trial, CellResult]]]] = {}
    for trial, results in made.items():
        (name,) = trial.names
        cells.setdefault(trial.spec.cell, {}).setdefault(setting_of(name), []).append((trial, results[name]))
    return [row for cell, by_name in cells.items() for row in _of_cell(cell, by_name, settings)]


def setting_of(result: str) -> str:
    """Name of the setting in a result's name, such as `validation_graph_dot@3`."""
    return result.removeprefix(RESULT).partition("@")[0]


def result_of(setting: str, seed: int = 0) -> str:
    """Name of a setting's result; `seed` is one of training."""
    return f"{RESULT}{setting}" if not seed else f"{RESULT}{setting}@{seed}"


def _of_cell(
    cell: str, by_name: Mapping[str, Sequence[tuple[Trial, CellResult]]], settings: EvaluationSettings
) -> list[Compared]:
    if DEFAULTS not in by_name:
        raise DataError(f"{cell}: {DEFAULTS} is not among {', '.join(by_name)}; lifts are relative to it")
    recalls = {name: [_recall(result) for _, result in seeds] for name, seeds in by_name.items()}
    user_N = np.concatenate([result.user_U for _, result in by_name[DEFAULTS]])
    lifts = {}
    for name, seeds in by_name.items():
        if not np.array_equal(np.concatenate([result.user_U for _, result in seeds]), user_N):
            raise DataError(f"{cell}: {name} and {DEFAULTS} were judged on different users or seeds")
        if name != DEFAULTS:
            lifts[name] = paired_lift(
                np.concatenate(recalls[name]),
                np.concatenate(recalls[DEFAULTS]),
                np.unique(user_N, return_inverse=True)[1],
                draws=settings.bootstrap_draws,
                confidence=settings.confidence,
                seed=settings.seed,
            )
    adjusted = dict(zip(lifts, holm([lift.p_value for lift in lifts.values()]), strict=True))
    return [
        Compared(
            cell=cell,
            name=name,
            changes=seeds[0][0].changes,
            recall=float(np.concatenate(recalls[name]).mean()),
            by_seed=tuple(float(recall_U.mean()) for recall_U in recalls[name]),
            lift=lifts.get(name),
            p_holm=adjusted.get(name),
            best_steps=tuple(step for _, result in seeds for step in result.facts["best_steps"]),
            seconds=float(np.mean([result.facts["seconds"] for _, result in seeds])),
        )
        for name, seeds in by_name.items()
    ]


def _recall(result: CellResult) -> NDArray[np.float64]:
    n_U = result.n_positives_U
    return metrics.recall_at_k(metrics.hits_from_ranks(result.user_N, result.rank_N, len(n_U), GATE_K), n_U)
