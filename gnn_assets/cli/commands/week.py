"""`gnn run`, `publish`, `impact`, `rollback`: a week, and what is served of it."""

from __future__ import annotations

from typing import Annotated

import typer

from gnn_assets.cli.telling import console, told_plainly
from gnn_assets.cli.weeks import Week


@told_plainly
def run(week: Week = None) -> None:
    """Run the weekly job: snapshot, train, judge, decide, score, audit, publish."""
    from gnn_assets.cli import weekly

    raise typer.Exit(weekly.run_week(week, console))


@told_plainly
def publish(
    week: Week = None,
    back_in_time: Annotated[
        bool, typer.Option("--back-in-time", help="Although a later week was published. Refused without it.")
    ] = False,
) -> None:
    """Publish the staged candidates of a week by hand. The publisher audits them again, and refuses what is bad."""
    from gnn_assets.cli import publishing

    publishing.publish_week(week, console, back_in_time=back_in_time)


@told_plainly
def impact(
    week: Week = None,
    facts: Annotated[bool, typer.Option(help="Only which published slots the week's tables forbid.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Who would lose or gain which slots against what is published, and why; exit code 1 above the threshold."""
    from gnn_assets.cli import impact as module

    raise typer.Exit(module.show(week, facts, as_json, console))


@told_plainly
def rollback(
    to: Annotated[str | None, typer.Option(help="Run id to go back to. Left out: the version before this one.")] = None,
) -> None:
    """Put an earlier published version back, in one move."""
    from gnn_assets.cli import publishing

    publishing.roll_back(to, console)
