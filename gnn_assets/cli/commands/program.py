"""`gnn demo` and `gnn status`: the whole programme on a simulated store, and where it stands."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gnn_assets.cli.telling import console, told_plainly


@told_plainly
def demo(
    size: Annotated[str, typer.Option(help="tiny, trial or small.")] = "small",
    seed: Annotated[int, typer.Option(help="Seed of the simulated store.")] = 17,
    story: Annotated[
        str,
        typer.Option(
            help=(
                "What is true of the customers: lift goes up the first stages; null and harm are not passed by gate 2, "
                "so that nothing is rolled out; regression passes it, turns bad in the rollout and is rolled back by "
                "itself."
            )
        ),
    ] = "lift",
) -> None:
    """The whole programme on a simulated store: weekly job, gate 1, e-mails, gate 2, shadow, first rollout steps."""
    from gnn_assets.cli import story as module

    raise typer.Exit(module.tell(story, size, seed, console))


@told_plainly
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """What the e-mail system reads now, and what the gate said."""
    from gnn_assets.cli import status as module

    found = module.status()
    if as_json:
        typer.echo(json.dumps(found, indent=1, allow_nan=False))
    else:
        module.show(found, console)
