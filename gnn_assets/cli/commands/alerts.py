"""`gnn alerts`: a test message to every channel, and what was told."""

from __future__ import annotations

from typing import Annotated

import typer

from gnn_assets.cli.telling import console, told_plainly

alerts_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Who is told what, and a test.")


@alerts_app.command("test")
@told_plainly
def send_test(
    severity: Annotated[str, typer.Option(help="Whose channels: critical, error or warning. Left out: all.")] = "",
) -> None:
    """Send a test message to every channel that the configuration names, and say which took it."""
    from gnn_assets.cli import alerts

    raise typer.Exit(alerts.send_test(severity, console))


@alerts_app.command("show")
@told_plainly
def show(last: Annotated[int, typer.Option(help="How many of the newest messages.")] = 20) -> None:
    """What is open, and the newest messages with what became of them."""
    from gnn_assets.cli import alerts

    alerts.show(last, console)
