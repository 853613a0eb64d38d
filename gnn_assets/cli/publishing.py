"""`gnn publish` and `gnn rollback`: the publisher by hand; it audits by itself and can refuse."""

from __future__ import annotations

import datetime as dt

from rich.console import Console

from gnn_assets.cli.main import parse_week
from gnn_assets.cli.weekly import newest_complete_week
from gnn_assets.environment import Environment
from gnn_assets.resources import Platform
from gnn_core.publishing import publisher


def publish_week(text: str | None, console: Console) -> None:
    """Publish the candidates that the week's run staged."""
    where = Environment.from_variables()
    settings = where.settings()
    day = parse_week(text) or newest_complete_week(where.warehouse(settings), settings)
    from gnn_assets.assets.serving import publish_staged

    result = publish_staged(Platform.of(where).week(day.isoformat()), published_at=_now())
    console.print(f"Published {result.state.table}: {result.state}")


def roll_back(to_run_id: str | None, console: Console) -> None:
    """Put an earlier version back."""
    where = Environment.from_variables()
    settings = where.settings()
    result = publisher.rollback(where.warehouse(settings), settings, to_run_id=to_run_id, at=_now())
    console.print(f"Rolled back {result.state.table}: {result.state}")


def _now() -> dt.datetime:
    """When a person did it: the ledger's timestamp, and the only use of the clock here."""
    return dt.datetime.now(dt.UTC)
