"""`gnn rollout`: start, hold, step, roll back; every move names who and why, and takes effect at once."""

from __future__ import annotations

import datetime as dt

from rich.console import Console
from rich.table import Table

from gnn_assets.environment import Environment
from gnn_assets.following import newest_published
from gnn_assets.partitions import WEEK
from gnn_core.config import ExperimentSettings, Settings
from gnn_core.experiment import rollout
from gnn_core.experiment.rollout_ledger import append_move, read_moves
from gnn_core.experiment.serving_arms import governs
from gnn_core.io.artifacts import ArtifactStore

START = "start"


def move(action: str, by: str, reason: str, *, publish: bool, console: Console) -> int:
    """Record a person's move and publish the newest table again under the new share; the run's exit code.

    Raises:
        RolloutRefused: the move does not follow from the ledger or its rules, or no one or no reason is named.
    """
    where = Environment.from_variables()
    settings = where.settings()
    warehouse = where.warehouse(settings)
    moves = read_moves(warehouse, settings)
    at = today(settings)
    if action == START:
        made = rollout.start(
            moves,
            gate2_passed=gate2_passed(where.artifacts(settings), settings.experiment),
            at=at,
            by=by,
            reason=reason,
            before=settings.serving.hybrid_share,
            settings=settings.rollout,
            experiment_start=settings.experiment.start,
        )
    else:
        made = rollout.operate(moves, action, at=at, by=by, reason=reason, settings=settings.rollout)
    append_move(where.warehouse(settings, "publisher"), settings, made)
    console.print(f"{made.action}: {made.from_share:.0%} → {made.to_share:.0%}, by {made.by}: {made.reason}")
    if not governs([*moves, made], settings.experiment, at.date()):
        console.print(f"Experiment {settings.experiment.name} runs and decides who is served until its end.")
    return 0 if made.to_share == made.from_share or not publish else republish(console)


def republish(console: Console) -> int:
    """Make and publish the newest published table again under the ledger's share; the run's exit code."""
    from gnn_assets.cli.weekly import run_job

    where = Environment.from_variables()
    published = newest_published(where.artifacts(where.settings()))
    if published is None:
        console.print("No week was published yet; the next one publishes under this share.")
        return 0
    return 0 if run_job("republish", dt.date.fromisoformat(published), console) else 1


def show(console: Console) -> None:
    """The ledger, newest last."""
    where = Environment.from_variables()
    settings = where.settings()
    moves = read_moves(where.warehouse(settings), settings)
    if not moves:
        console.print(f"The rollout has not started; serving.hybrid_share is {settings.serving.hybrid_share:.0%}.")
        return
    table = Table(title="Rollout", title_justify="left", pad_edge=False)
    for column in ("when", "move", "share", "by", "why"):
        table.add_column(column, overflow="fold")
    for m in moves:
        table.add_row(f"{m.at:%Y-%m-%d}", m.action, f"{m.from_share:.0%} → {m.to_share:.0%}", m.by, m.reason)
    console.print(table)


def today(settings: Settings) -> dt.datetime:
    """The moment of a move: now, or the end of a store that has ended, whose time has stopped."""
    if settings.store.last_week is None:
        return dt.datetime.now(dt.UTC)
    return dt.datetime.combine(settings.store.last_week + WEEK, dt.time(), tzinfo=dt.UTC)


def gate2_passed(store: ArtifactStore, experiment: ExperimentSettings) -> bool:
    """The verdict of the newest readout, if it is one of this experiment: another one's pass starts nothing."""
    for week in reversed(store.weeks()):
        if store.exists(week, "experiment_readout"):
            readout = store.read(week, "experiment_readout").json("readout.json")
            if readout["state"] == "read":
                same = readout["experiment"] == experiment.name and (
                    experiment.start is None or dt.date.fromisoformat(readout["as_of"]) > experiment.start
                )
                return same and bool(readout["verdict"]["verdict"] == "pass")
    return False
