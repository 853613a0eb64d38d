"""`gnn bench`: plan, run with progress, print and write the report. What is measured lives in gnn_core/benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from gnn_assets.cli.telling import write_json
from gnn_assets.environment import PROJECT, Environment, git_commit
from gnn_core.benchmark.cells import Bench, Cell, Made, Plan
from gnn_core.benchmark.defaults import SHUFFLED, SHUFFLED_COLD, models_for
from gnn_core.benchmark.figures import CLAIM_DRAWS, build_figures
from gnn_core.benchmark.figures_json import as_json
from gnn_core.benchmark.results import Results
from gnn_core.benchmark.spec import COLD, COLD_SHARES, DEFAULT_STORES, Spec, kind_of, specs
from gnn_core.benchmark.tables import Table, markdown, report_tables
from gnn_core.benchmark.targets import GOAL, MISSED, MUST, NULL_SEEDS, judged_targets
from gnn_core.benchmark.variants import expanded
from gnn_core.config import EvaluationSettings
from gnn_core.errors import ConfigError, DataError

QUICK_COLD = (90,)
QUICK: Mapping[str, Sequence[str]] = {
    "beauty": ("sql", "popularity", "smoother", "item_knn", "graph"),
    "retailrocket": ("sql", "popularity", "smoother", "item_knn", "graph"),
    "beauty_last_item": ("popularity", "item_knn"),
}
"""Store → models of the quick mode: about 260 processor seconds."""
QUICK_OVERLAY: Mapping[str, Any] = {
    "training": {"max_steps": 10},
    "history": {"rank_cells": 6_000_000},
    "model": {"item_factors": 32, "spectral_factors": 64, "fitment_factors": 32},
}
"""Ten training steps, a tenth of the choosers, few dimensions: enough to see the whole path, too few for a claim."""
WIDE = 240
"""Columns of a terminal that shows the tables whole; in a narrower one they are as in `Table.narrow`."""
SEEDS, SPLIT_SEEDS = 3, 5
"""Where owners are hidden, the draw of who is known moves a lift by several percent: more seeds than elsewhere."""
_COLOURS = {GOAL: "green", MUST: "green", MISSED: "red"}


def quality(
    console: Console,
    *,
    source: Path | None,
    stores: Sequence[str],
    models: Sequence[str],
    colds: Sequence[int],
    seeds: int | None,
    quick: bool,
    shuffle: bool,
    whole: bool,
    plan_only: bool,
    stored: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    planted_file: Path | None,
) -> None:
    """Make what is missing, then report everything that was asked for."""
    where = Environment.from_variables()
    folder = source or PROJECT.parent / "shared" / "data"
    if not folder.is_dir():
        raise DataError(f"folder {folder} does not exist; name the folder of the data sets with --from")
    if whole and (stores or models or colds or quick or shuffle or stored or planted_file):
        raise ConfigError(
            "--whole is everything behind the targets; it goes with --from, --seeds, --plan and files alone"
        )
    null = _planted_null(planted_file)
    overlays: list[Path | Mapping[str, Any]] = [where.config_dir / f"{where.name}.yaml"]
    if quick:
        overlays.append(QUICK_OVERLAY)
        stores, colds = stores or tuple(QUICK), colds or QUICK_COLD
        console.print(
            "Quick mode: a smaller model, ten training steps. It shows that everything runs; it supports no claim."
        )
    config = where.config_dir / "gnn_config.yaml"
    # Apart, since what the quick mode's smaller models take says nothing of the seconds of a whole run.
    results = Results(where.state_dir / "bench" / "quick" if quick else where.state_dir / "bench")
    bench = Bench(folder, config, results, tuple(overlays))
    chosen = stores or _offered(folder, console)
    named = {store: _models(store, folder, models, quick=quick) for store in chosen}
    shares = colds or COLD_SHARES

    def drawn(store: str, *, shuffled: bool) -> list[Spec]:
        usual = SPLIT_SEEDS if kind_of(store, folder) == COLD and not shuffled else SEEDS
        return specs([store], folder, colds=shares, seeds=usual if seeds is None else seeds, shuffled=shuffled)

    plan = Plan(
        tuple(cell for store in chosen for cell in bench.plan(drawn(store, shuffled=shuffle), named[store]).cells)
    )
    if whole:
        plan = Plan(plan.cells + _shuffled(bench, chosen, folder).cells)
    _announce(plan, console)
    if quick and not bench.results.seconds():
        console.print("That is what whole models take; how long the quick ones do is known once they were run.")
    kept = where.state_dir / "bench" / "planted_null.jsonl"
    nulls = ["--world", "null", "--seeds", str(NULL_SEEDS), "--keep", str(kept)]
    if whole and plan_only and planted([*nulls, "--plan"]):
        raise DataError("the planted null could not be planned; the lines above say why")
    if plan_only:
        return
    made = bench.stored(plan) if stored else bench.run(plan, Progress(console, len(plan.to_make)))
    if whole:
        written = kept.with_suffix(".json")
        if planted([*nulls, "--json", str(written)]):
            raise DataError("the planted null did not end; the lines above say why. What is judged is kept")
        null = _planted_null(written)
        made.results.update(bench.stored(plan).results)
    elif not shuffle:
        # Shuffled stores that were run before, with the same code and settings, complete the table.
        for store, names in named.items():
            made.results.update(bench.stored(bench.plan(drawn(store, shuffled=True), names)).results)
    if not made.results:
        reasons = (
            "; ".join(dict.fromkeys(made.failures.values())) or "none is there yet; leave out --stored to make them"
        )
        raise DataError(f"no model gave a result: {reasons}")
    evaluation = bench.settings.evaluation
    if not quick:
        evaluation = replace(evaluation, bootstrap_draws=max(CLAIM_DRAWS, evaluation.bootstrap_draws))
    report(bench, evaluation, made, console, json_file=json_file, markdown_file=markdown_file, planted_null=null)


def report(
    bench: Bench,
    evaluation: EvaluationSettings,
    made: Made,
    console: Console,
    *,
    json_file: Path | None,
    markdown_file: Path | None,
    planted_null: Mapping[str, Any] | None,
) -> None:
    """Print the tables; write JSON and Markdown."""
    figures = build_figures(made, evaluation)
    targets = judged_targets(figures, planted_null)
    tables = report_tables(figures, made, targets)
    for table in tables:
        console.print(_rich(table if console.width >= WIDE else table.narrow()))
        if table.note:
            console.print(table.note, highlight=False, soft_wrap=True, markup=False, style="dim")
    content = {
        "commit": git_commit(),
        "settings": bench.settings.fingerprint(),
        "targets": [row.as_json() for row in targets],
        **as_json(figures, made),
    }
    write_json(content, json_file, console)
    if markdown_file is not None:
        origin = (
            f"Printed by `gnn bench quality` at commit {content['commit']}, settings {content['settings']}. A result "
            "that other code, settings or data made is never shown."
        )
        markdown_file.write_text(markdown(tables, "Quality on public data", origin) + "\n")
        console.print(f"Markdown: {markdown_file}", soft_wrap=True)


class Progress:
    """A line a cell: what it is, how long it takes, what is left."""

    def __init__(self, console: Console, n_cells: int) -> None:
        self._console, self._n, self._nth, self._started = console, n_cells, 0, time.monotonic()

    def started(self, cell: Cell, remaining_s: float) -> None:
        """A cell begins."""
        self._nth += 1
        self._console.print(
            f"[{self._nth}/{self._n}] {cell.spec.cell} seed {cell.spec.seed} {cell.model}: about "
            f"{duration(cell.seconds)}, all that is left about {duration(remaining_s)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def finished(self, cell: Cell, facts: Mapping[str, Any]) -> None:
        """A cell is stored."""
        self._console.print(
            f"    {facts['seconds']:.1f} s, validation {facts['validation_recall']:.4f}", markup=False, highlight=False
        )

    def failed(self, cell: Cell, reason: str) -> None:
        """A model refused."""
        self._console.print(f"    refused: {reason}", markup=False, highlight=False, soft_wrap=True, style="yellow")


def planted(arguments: Sequence[str]) -> int:
    """`python -m benchmarks.planted` with the given arguments, from the project's folder."""
    if not (PROJECT / "benchmarks" / "planted.py").is_file():
        raise ConfigError(f"{PROJECT} has no benchmarks/planted.py; run this from a checkout of the project")
    return subprocess.run([sys.executable, "-m", "benchmarks.planted", *arguments], cwd=PROJECT, check=False).returncode


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _shuffled(bench: Bench, stores: Sequence[str], folder: Path) -> Plan:
    """Users' events exchanged, on the stores where owners are hidden."""
    cold = [store for store in stores if kind_of(store, folder) == COLD]
    drawn = specs(cold, folder, colds=(SHUFFLED_COLD,), seeds=SEEDS, shuffled=True) if cold else []
    return bench.plan(drawn, expanded(SHUFFLED))


def _models(store: str, folder: Path, models: Sequence[str], *, quick: bool) -> tuple[str, ...]:
    """Those that were named; else the quick mode's, or what tells something under the store's protocol."""
    if models:
        return expanded(models)
    return expanded(QUICK[store]) if quick and store in QUICK else models_for(store, folder)


def _offered(folder: Path, console: Console) -> list[str]:
    """The stores of the targets that the folder has; the others are named."""
    found = []
    for store in DEFAULT_STORES:
        try:
            specs([store], folder, colds=COLD_SHARES, seeds=1)
        except DataError:
            console.print(f"{folder} has no {store}: left out, its targets stay open.", soft_wrap=True)
        else:
            found.append(store)
    if not found:
        raise DataError(f"{folder} has none of {', '.join(DEFAULT_STORES)}; name stores with --store")
    return found


def _announce(plan: Plan, console: Console) -> None:
    there = len(plan.cells) - len(plan.to_make)
    console.print(
        f"{len(plan.cells)} cells (store, share, seed, model), {there} of them there already. "
        f"The other {len(plan.to_make)} take about {duration(plan.seconds)}; whatever is done stays done.",
        highlight=False,
        soft_wrap=True,
    )


def _planted_null(path: Path | None) -> Mapping[str, Any] | None:
    """The null world of a file that `gnn bench planted --json` wrote."""
    if path is None:
        return None
    if not path.is_file():
        raise ConfigError(f"{path} does not exist; gnn bench planted --world null --json {path} writes it")
    found = [row for row in json.loads(path.read_text()) if "null" in row["world"]]
    if len(found) != 1:
        raise ConfigError(f"{path} holds {len(found)} null worlds; one is needed")
    return found[0]


def _rich(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left", show_edge=False, pad_edge=False)
    for nth, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if nth == 0 or table.columns[-1] == "verdict" else "right")
    for row in table.rows:
        colour = _COLOURS.get(row[-1], "")
        cells = [cell.replace("[", "\\[") for cell in row]
        shown.add_row(*cells, style=colour)
    return shown
