"""What the commands on validation windows share: where data and results are, the budget told beforehand, progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gnn_assets.cli.bench import duration
from gnn_assets.environment import PROJECT, Environment
from gnn_core.benchmark.against_defaults import Compared
from gnn_core.benchmark.results import Results, code_digest
from gnn_core.benchmark.spec import Spec
from gnn_core.benchmark.tables import lift_text
from gnn_core.benchmark.trials import Trial, Trials, trial_specs
from gnn_core.errors import DataError
from gnn_core.evaluation.bootstrap import Lift


def open_trials(start: str, source: Path | None, overlays: Sequence[Mapping[str, Any]] = ()) -> Trials:
    """Trials of this installation, whose results hold for the code that the module `start` imports."""
    where = Environment.from_variables()
    return Trials(
        source or PROJECT.parent / "shared" / "data",
        where.config_dir / "gnn_config.yaml",
        Results(where.state_dir / "bench"),
        code_digest(start=start),
        (where.config_dir / f"{where.name}.yaml", *overlays),
    )


def asked_specs(
    trials: Trials, stores: Sequence[str], default: Sequence[str], colds: Sequence[int], seeds: int
) -> list[Spec]:
    """Specs of the named stores, or of the default ones.

    Raises:
        DataError: a public store is asked for and the folder of data sets does not exist.
    """
    named = stores or default
    if not trials.source.is_dir() and not all(name.startswith("simulated_") for name in named):
        raise DataError(f"folder {trials.source} does not exist; name the folder of the data sets with --from")
    return trial_specs(named, trials.source, colds=colds or (90,), seeds=seeds)


def announce(trials: Trials, plan: Sequence[Trial], console: Console) -> list[Trial]:
    """Say what there is to do and how long it takes; the trials that are missing."""
    missing = trials.missing(plan)
    seconds = sum(trials.seconds(trial) for trial in missing)
    console.print(
        f"{len(plan)} fits of the graph model on validation windows, {len(plan) - len(missing)} of them there already. "
        f"The other {len(missing)} take about {duration(seconds)}; whatever is done stays done.",
        highlight=False,
        soft_wrap=True,
    )
    return missing


class Progress:
    """A line a trial."""

    def __init__(self, console: Console, n: int) -> None:
        self._console, self._n, self._nth = console, n, 0

    def began(self, trial: Trial, seconds: float, remaining_s: float) -> None:
        """A trial begins."""
        self._nth += 1
        self._console.print(
            f"[{self._nth}/{self._n}] {trial.spec.cell} seed {trial.spec.seed} {trial.names[0]}: about "
            f"{duration(seconds)}, all that is left about {duration(remaining_s)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def ended(self, trial: Trial, facts: Mapping[str, Any]) -> None:
        """Its results are stored."""
        self._console.print(f"    {facts['seconds']:.1f} s", markup=False, highlight=False)


def compared_table(rows: Sequence[Compared], console: Console) -> None:
    """Settings of one store against the defaults, the best first; those that change nothing are named below."""
    first = next(row for row in rows if row.lift is None)
    n_users = next((row.lift.n_users for row in rows if row.lift is not None), 0)
    cells = [
        (
            row.name,
            f"{row.recall:.4f}",
            lift_text(row.lift) if row.lift is not None else "",
            "" if row.p_holm is None else f"{row.p_holm:.3f}",
            " ".join(map(str, row.best_steps)),
            f"{row.seconds:.0f}",
        )
        for row in sorted(rows, key=lambda row: -row.recall)
        if not _nothing(row.lift)
    ]
    columns = ("setting", "Recall@10", "over the defaults", "p (Holm)", "kept steps", "seconds")
    n_seeds = len(first.by_seed)
    seeds = f"{n_seeds} seed{'s' if n_seeds != 1 else ''}"
    show(console, f"{first.cell}: validation windows, {n_users:,d} users, {seeds}", columns, cells)
    if same := [row.name for row in rows if _nothing(row.lift)]:
        console.print(f"no difference for any user: {', '.join(same)}", highlight=False)


def _nothing(lift: Lift | None) -> bool:
    """Whether no draw of users tells a setting from the defaults."""
    return lift is not None and lift.low == lift.estimate == lift.high == 0


def show(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose first column is text: names, which stay whole in a narrow terminal."""
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for nth, column in enumerate(columns):
        table.add_column(column, justify="right" if nth else "left", no_wrap=not nth)
    for row in rows:
        table.add_row(*(cell.replace("[", "\\[") for cell in row))
    console.print(table)
