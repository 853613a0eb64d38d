"""Every figure of a benchmark run, for programs.

What belongs here: keys and nesting. What does not: the figures (figures.py), the same for people (tables.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gnn_core.benchmark.cells import Made
from gnn_core.benchmark.figures import METRICS, CellFigures, Figures


def as_json(figures: Figures, made: Made) -> dict[str, Any]:
    """Everything, for programs. Keys:

    cells → cell → seeds, n_users by group, `stands_for`, `lacking`, models → model → metrics by group, their
    `intervals` (all users), `recall_10_of_all`, `by_seed` (the primary metric), lifts by group, reference and metric
    (see Lift), `p_holm` by reference, and `runs`: one entry a seed with costs, choices, windows and the collapse
    report. `pooled` likewise; `shuffled` → cell.
    failures: store, share, seed, model and the reason why there is no result.
    """
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (spec, model), result in sorted(made.results.items()):
        runs.setdefault((spec.cell, model), []).append({"seed": spec.seed} | result.facts)
    return {
        "cells": {name: _cell_json(cell, runs, figures.p_holm) for name, cell in figures.cells.items()},
        "pooled": None if figures.pooled is None else _cell_json(figures.pooled, {}, {}),
        "shuffled": {name: _cell_json(cell, runs, {}) for name, cell in figures.shuffled.items()},
        "failures": [s.as_json() | {"model": m, "reason": why} for (s, m), why in sorted(made.failures.items())],
    }


def _cell_json(
    cell: CellFigures,
    runs: Mapping[tuple[str, str], list[dict[str, Any]]],
    p_holm: Mapping[tuple[str, str, str], float],
) -> dict[str, Any]:
    models: dict[str, Any] = {}
    for model in cell.models:
        lifts: dict[str, Any] = {}
        for (group, one, reference, metric), lift in cell.lifts.items():
            if one == model:
                lifts.setdefault(group, {}).setdefault(reference, {})[metric] = lift.as_json()
        models[model] = {
            "metrics": {g: {m: cell.means[g, model, m] for m in METRICS} for g in cell.n_users},
            "intervals": {m: list(cell.intervals[model, m]) for m in METRICS},
            "recall_10_of_all": cell.of_all.get(model),
            "by_seed": list(cell.by_seed(model)),
            "lifts": lifts,
            "p_holm": {r: p for (c, m, r), p in p_holm.items() if (c, m) == (cell.cell, model)},
            "runs": runs.get((cell.cell, model), []),
        }
    return {
        "kind": cell.kind,
        "primary": cell.metric,
        "seeds": list(cell.seeds),
        "n_users": cell.n_users,
        "stands_for": {name: list(which) for name, which in cell.stands_for.items()},
        "lacking": list(cell.lacking),
        "models": models,
    }
