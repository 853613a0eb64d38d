"""The table of settings against the defaults, as a terminal of 80 columns shows it."""

from __future__ import annotations

import io

from rich.console import Console

from gnn_assets.cli.bench_trials import compared_table
from gnn_core.benchmark.against_defaults import DEFAULTS, Compared
from gnn_core.evaluation.bootstrap import Lift

LONG = "graph_no_popularity_bias"


def row(name: str, recall: float, interval: tuple[float, float, float] | None) -> Compared:
    """One setting; the interval is low, estimate, high."""
    lift = None
    if interval is not None:
        low, estimate, high = interval
        lift = Lift(estimate, low, high, recall, 0.2, 100, 100, 40, 0.5, 0.95, 2000, 0)
    return Compared("beauty_cold90", name, {}, recall, (recall,), lift, None if lift is None else 1.0, (0,), 12.0)


def shown(*rows: Compared) -> str:
    """What is printed."""
    out = io.StringIO()
    compared_table(rows, Console(file=out, width=80))
    return out.getvalue()


def test_names_are_whole_and_what_changes_nothing_has_no_row_of_its_own() -> None:
    text = shown(
        row(DEFAULTS, 0.2, None),
        row(LONG, 0.1, (-0.6, -0.5, -0.4)),
        row("graph_bce", 0.2, (0.0, 0.0, 0.0)),
        row("graph_gat", 0.2, (0.0, 0.0, 0.0)),
        row("graph_sage", 0.2, (-0.1, 0.0, 0.1)),
    )
    table, _, last = text.partition("no difference for any user:")
    assert LONG in table
    assert "graph_sage" in table, "users differ, though the mean does not"
    assert "graph_bce" not in table
    assert last.split() == ["graph_bce,", "graph_gat"]


def test_where_every_setting_differs_nothing_is_said_of_the_others() -> None:
    assert "no difference" not in shown(row(DEFAULTS, 0.2, None), row(LONG, 0.1, (-0.6, -0.5, -0.4)))
