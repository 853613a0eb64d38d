"""`gnn publish` and `gnn rollback`: the publisher by hand; it audits by itself and can refuse.

The vectors follow the table: published after it, and rolled back with it where the run has some.
"""

from __future__ import annotations

import datetime as dt

from rich.console import Console

from gnn_assets.cli.weekly import newest_complete_week
from gnn_assets.cli.weeks import parse_week
from gnn_assets.environment import Environment
from gnn_assets.resources import Platform
from gnn_core.publishing import embeddings, publisher


def publish_week(text: str | None, console: Console, *, back_in_time: bool = False) -> None:
    """Publish the candidates that the week's run staged, and the vectors of the model that made them.

    Args:
        back_in_time: although a later week was published.
    Raises:
        PublishRefused: see `publish_staged`; the live table has not moved.
    """
    where = Environment.from_variables()
    settings = where.settings()
    day = parse_week(text) or newest_complete_week(where.warehouse(settings), settings)
    from gnn_assets.assets.serving import publish_staged
    from gnn_assets.assets.vectors import publish_vectors

    week, at = Platform.of(where).week(day.isoformat()), _now()
    result = publish_staged(week, published_at=at, back_in_time=back_in_time)
    if result.moved:
        console.print(f"Published {result.state.table}: {result.state}")
    else:
        console.print(f"{result.state.table}: {result.state} was live already, nothing moved")
    _, said = publish_vectors(week, published_at=at)
    console.print(f"Embeddings: {said}", highlight=False)


def roll_back(to_run_id: str | None, console: Console) -> None:
    """Put an earlier version back, and its vectors if it has any."""
    where = Environment.from_variables()
    settings = where.settings()
    warehouse, at = where.warehouse(settings, "publisher"), _now()
    result = publisher.rollback(warehouse, settings, to_run_id=to_run_id, at=at)
    if result.moved:
        console.print(f"Rolled back {result.state.table}: {result.state}")
    else:
        console.print(f"{result.state.table}: {result.state} was live already, nothing moved")
    run_id = result.state.run_id
    if embeddings.has_version(warehouse, settings, run_id):
        embeddings.go_live(warehouse, settings, run_id, expected_digest=None, at=at)
        console.print(f"Embeddings: run {run_id} is live", highlight=False)
    elif live := embeddings.live_vectors(warehouse, settings):
        # Without vectors a search would find nothing; those that stay answer by their own run, never by a mixture.
        said = f"run {run_id} has none, no graph model was promoted then; those of run {live.run_id} stay live"
        console.print(f"Embeddings: {said}", highlight=False)


def _now() -> dt.datetime:
    """When a person did it: the ledger's timestamp, and the only use of the clock here."""
    return dt.datetime.now(dt.UTC)
