"""`gnn impact`: what a week's candidates, or its facts alone, would change in what is published."""

from __future__ import annotations

import json

import pandas as pd
from rich.console import Console
from rich.table import Table

from gnn_assets.cli.weekly import newest_complete_week
from gnn_assets.cli.weeks import parse_week
from gnn_assets.environment import Environment
from gnn_assets.resources import Platform
from gnn_core.discovery.impact import Impact
from gnn_core.errors import DataError


def show(text: str | None, facts_only: bool, as_json: bool, console: Console) -> int:
    """Compare and print; 1 when more users lose a slot than `discovery.max_lost_share`, so that a script can stop.

    Raises:
        DataError: nothing is published, or the week has no tables yet.
    """
    from gnn_assets.assets.impact import NOTHING, impact_of

    where = Environment.from_variables()
    settings = where.settings()
    warehouse = where.warehouse(settings)
    day = parse_week(text) or newest_complete_week(warehouse, settings)
    week = Platform.of(where).week(day.isoformat())
    if not warehouse.exists(week.tables.table("fitment")):
        raise DataError(f"week {day} has no tables yet: materialise its raw_* assets, or run `gnn run --week {day}`")
    found = impact_of(week, facts_only=facts_only)
    if found is None:
        raise DataError(f"{NOTHING}; publish a week first")
    allowed = settings.discovery.max_lost_share
    if as_json:
        console.print_json(json.dumps({**found.as_json(), "max_lost_share": allowed}, allow_nan=False))
    else:
        _print(found, allowed, console)
    return 0 if found.lost_share <= allowed else 1


def _print(found: Impact, allowed: float, console: Console) -> None:
    beside = found.candidates or "the facts of the week"
    console.print(f"{found.published} ({found.users:,} users) against {beside}\n", markup=False, highlight=False)
    _table(found.by_reason(), "Slots by reason", console)
    _table(found.by_model(10), "Makes and models with most changes", console)
    console.print(
        f"{found.users_losing:,} users ({found.lost_share:.2%}) lose a slot because catalogue or fitment changed; "
        f"discovery.max_lost_share is {allowed:.1%}.",
        highlight=False,
    )


def _table(rows: pd.DataFrame, title: str, console: Console) -> None:
    if rows.empty:
        console.print(f"{title}: none", highlight=False)
        return
    table = Table(title=title, title_justify="left", pad_edge=False)
    for column in rows.columns:
        table.add_column(column, overflow="fold", justify="right" if column in ("slots", "users") else "left")
    for row in rows.itertuples(index=False):
        table.add_row(*(f"{v:,}" if isinstance(v, int) else str(v) for v in row))
    console.print(table)
