"""`gnn experiment`: plan, start, stop, play and read the A/B test behind gate 2."""

from __future__ import annotations

from typing import Annotated

import typer

from gnn_assets.cli.telling import console, told_plainly
from gnn_assets.cli.weeks import Week

experiment_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="The A/B test behind gate 2.")


@experiment_app.command("plan")
@told_plainly
def experiment_plan(
    base_rate: Annotated[float, typer.Option(help="Users who click in so many days under SQL, such as 0.0066.")],
    users: Annotated[int, typer.Option(help="Users that both arms share.")],
    days: Annotated[int, typer.Option(help="Days behind the base rate.")] = 14,
) -> None:
    """Whether an experiment can decide: power of the whole rule, detectable lift, users and days needed."""
    from gnn_assets.cli import experiment

    experiment.plan(base_rate, days, users, console)


@experiment_app.command("start")
@told_plainly
def experiment_start(
    day: Annotated[str, typer.Argument(help="Monday of the first send, such as 2026-03-02: the as-of date of a run.")],
) -> None:
    """Plan the experiment for a Monday; the weekly run of that as-of date assigns the arms."""
    from gnn_assets.cli import experiment

    experiment.start(day, console)


@experiment_app.command("stop")
@told_plainly
def experiment_stop(
    by: Annotated[str, typer.Option(help="Who decides.")], reason: Annotated[str, typer.Option(help="Why.")]
) -> None:
    """End the experiment now: SQL for everybody, published at once."""
    from gnn_assets.cli import experiment

    raise typer.Exit(experiment.stop(by, reason, console))


@experiment_app.command("read")
@told_plainly
def experiment_read(
    week: Week = None, as_json: Annotated[bool, typer.Option("--json", help="The whole readout.")] = False
) -> None:
    """Snapshot the week, read the experiment as of its end, and let the rollout move."""
    from gnn_assets.cli import experiment

    raise typer.Exit(experiment.read(week, as_json, console))


@experiment_app.command("play")
@told_plainly
def experiment_play(
    weeks: Annotated[int, typer.Option(help="Weeks of e-mails.")] = 3,
    lift: Annotated[
        float, typer.Option(help="Planted lift of clicks under treatment; 0 = null, below 0 = harm.")
    ] = 0.6,
    click_rate: Annotated[float, typer.Option(help="Sends clicked in control.")] = 0.01,
    order_lift: Annotated[float, typer.Option(help="Planted lift of orders.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Same seed, same customers.")] = 23,
) -> None:
    """On a simulated store: send the live table out, and append what customers do to the source tables."""
    from gnn_assets.cli import experiment
    from gnn_core.simulate.campaign import ClickModel

    model = ClickModel(click_rate=click_rate, lift=lift, order_lift=order_lift)
    experiment.play(weeks, model, seed, None, console)
