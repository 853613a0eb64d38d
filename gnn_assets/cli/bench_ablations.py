"""`gnn bench ablations`: every switch of the graph model off in turn, on validation windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gnn_assets.cli.bench_trials import Progress, announce, asked_specs, compared_table, open_trials
from gnn_assets.cli.telling import write_json
from gnn_core.benchmark.ablations import ablation_trials
from gnn_core.benchmark.against_defaults import compared
from gnn_core.benchmark.trials import judge_ranking

STORES = ("beauty",)


def ablations(
    console: Console,
    *,
    source: Path | None,
    stores: Sequence[str],
    switches: Sequence[str],
    colds: Sequence[int],
    seeds: int,
    steps: int | None,
    plan_only: bool,
    json_file: Path | None,
) -> None:
    """Fit what is missing, then print a table a store, and write JSON."""
    overlays = [] if steps is None else [{"training": {"max_steps": steps}}]
    trials = open_trials("gnn_core.benchmark.ablations", source, overlays)
    plan = ablation_trials(asked_specs(trials, stores, STORES, colds, seeds), switches)
    missing = announce(trials, plan, console)
    if plan_only:
        return
    rows = compared(trials.run(plan, judge_ranking, Progress(console, len(missing))), trials.settings.evaluation)
    for cell in dict.fromkeys(row.cell for row in rows):
        compared_table([row for row in rows if row.cell == cell], console)
    write_json([row.as_json() for row in rows], json_file, console)
