"""`gnn rollout`: the moves, and who may make them by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from gnn_assets.cli.telling import console, told_plainly

rollout_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="From a tenth of the users to all.")

By = Annotated[str, typer.Option(help="Who decides.")]
Why = Annotated[str, typer.Option(help="Why.")]


@rollout_app.command("show")
@told_plainly
def rollout_show() -> None:
    """Every move so far: when, from and to which share, who, why."""
    from gnn_assets.cli import rollout

    rollout.show(console)


@rollout_app.command("publish")
@told_plainly
def rollout_publish() -> None:
    """Make and publish the newest published table again under the ledger's share, by hand."""
    from gnn_assets.cli import rollout

    raise typer.Exit(rollout.republish(console))


def _rollout_command(action: str, words: str) -> None:
    @rollout_app.command(action, help=words)
    @told_plainly
    def command(
        by: By,
        reason: Why,
        publish: Annotated[bool, typer.Option(help="Publish the newest table again under the new share.")] = True,
    ) -> None:
        from gnn_assets.cli import rollout

        raise typer.Exit(rollout.move(action, by, reason, publish=publish, console=console))


_rollout_command("start", "Begin at the first stage, after gate 2 has passed.")
_rollout_command("hold", "Stay at this share until a person steps or rolls back.")
_rollout_command("step", "Go on to the next stage now.")
_rollout_command("rollback", "Back to SQL for everyone, now.")
