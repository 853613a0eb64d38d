"""`gnn bench diversity`: recall against the difference of a list's products, by strength of the re-ranking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gnn_assets.cli.bench_trials import Progress, announce, asked_specs, open_trials, show
from gnn_assets.cli.telling import write_json
from gnn_core.benchmark.diversity import STRENGTHS, Point, curve, diversity_trial, judge_lists
from gnn_core.benchmark.tables import lift_text

STORES = ("beauty", "sports", "simulated_small")


def diversity(
    console: Console,
    *,
    source: Path | None,
    stores: Sequence[str],
    colds: Sequence[int],
    seeds: int,
    strengths: Sequence[float],
    plan_only: bool,
    json_file: Path | None,
) -> None:
    """Fit what is missing, then print the curve of every store, and write JSON."""
    trials = open_trials("gnn_core.benchmark.diversity", source)
    asked = asked_specs(trials, stores, STORES, colds, seeds)
    plan = [diversity_trial(spec, tuple(strengths) or STRENGTHS) for spec in asked]
    missing = announce(trials, plan, console)
    if plan_only:
        return
    points = curve(trials.run(plan, judge_lists, Progress(console, len(missing))), trials.settings.evaluation)
    for cell in dict.fromkeys(p.cell for p in points):
        _show([p for p in points if p.cell == cell], console)
    write_json([p.as_json() for p in points], json_file, console)


def _show(points: Sequence[Point], console: Console) -> None:
    first = points[0]
    seeds = f"{first.seeds} seed{'s' if first.seeds != 1 else ''}"
    columns = (
        *("strength", "Recall@4", "over off", "Recall@10", "over off", "difference", "part types"),
        *("coverage", "distinct lists"),
    )
    rows = []
    for point in points:
        cells = [f"{point.strength:g}"]
        for measure in ("recall_4", "recall_10"):
            cells.append(f"{point.means[measure]:.4f}")
            cells.append("" if point.strength == 0 else lift_text(point.lifts[measure]))
        cells += [f"{point.means['difference']:.3f}", f"{point.means['part_types']:.2f}", f"{point.coverage:.3f}"]
        rows.append([*cells, f"{point.distinct_lists:,.0f}"])
    show(
        console,
        f"{first.cell}: lists after the business rules, validation, {first.n_users:,d} users, {seeds}",
        columns,
        rows,
    )
    for name, pairs in (first.likeness or {}).items():
        one, other = ("–" if v is None else f"{v:.3f}" for v in (pairs["one_part_type"], pairs["different"]))
        console.print(
            f"Likeness of listed products by {name}: {one} within a part type, {other} across.", highlight=False
        )
