"""`gnn`: every command with the words that teach it. What each does lives in the module beside it."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gnn_assets.cli.alerts import alerts_app
from gnn_core.errors import GnnCoreError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    help="""Weekly parts recommendations: warehouse tables in, a checked table of recommendations out.

A first run on a simulated store:

    gnn simulate small      write a parts store's raw tables into the warehouse
    gnn run                 run the weekly job on the newest complete week
    gnn status              what is published, and what gate 1 said
    gnn ui                  open Dagster on the same state

Everything is kept in GNN_STATE_DIR (default: the folder .gnn of the project).""",
)
console = Console()
errors = Console(stderr=True)

Week = Annotated[
    str | None,
    typer.Option(help="Monday of the week, such as 2026-02-23. Left out: the newest complete week of the data."),
]


def told_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """An error that the library raises on purpose is a message and exit code 1, not a traceback."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except GnnCoreError as error:
            errors.print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False, markup=True)
            raise typer.Exit(1) from error

    return wrapper


@app.command()
@told_plainly
def simulate(
    size: Annotated[str, typer.Argument(help="tiny (seconds), small (the demo), full (475,000 users).")],
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 17,
) -> None:
    """Write a simulated parts store's raw tables into the warehouse, and print aimed against reached shares."""
    from gnn_assets.cli import data

    data.simulate_store(size, seed, console)


@app.command()
@told_plainly
def load(
    name: Annotated[str, typer.Argument(help="Store to load, such as sports, beauty, retailrocket, online_retail.")],
    source: Annotated[Path, typer.Option("--from", help="Folder with the store's Parquet files.")],
    cold: Annotated[int, typer.Option(help="Cold protocol: percent of owners whose events are hidden.")] = 90,
    rebuy: Annotated[bool, typer.Option(help="Invoices: products bought before may be recommended again.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 7,
) -> None:
    """Map a public data set onto the contract tables, so that the same job runs on it."""
    from gnn_assets.cli import data

    data.load_public_store(name, source, cold / 100, rebuy, seed, console)


@app.command()
@told_plainly
def run(week: Week = None) -> None:
    """Run the weekly job: snapshot, train, judge, decide, score, audit, publish."""
    from gnn_assets.cli import weekly

    raise typer.Exit(weekly.run_week(week, console))


@app.command()
@told_plainly
def demo(
    size: Annotated[str, typer.Option(help="tiny, trial or small.")] = "small",
    seed: Annotated[int, typer.Option(help="Seed of the simulated store.")] = 17,
    story: Annotated[
        str, typer.Option(help="What is true of the customers: lift, null, harm, or regression (in the rollout).")
    ] = "lift",
) -> None:
    """The whole programme on a simulated store: weekly job, gate 1, e-mails, gate 2, shadow, first rollout steps."""
    from gnn_assets.cli import story as module

    raise typer.Exit(module.tell(story, size, seed, console))


@app.command()
@told_plainly
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """What the e-mail system reads now, and what the gate said."""
    from gnn_assets.cli import status as module

    found = module.status()
    if as_json:
        typer.echo(json.dumps(found, indent=1, allow_nan=False))
    else:
        module.show(found, console)


@app.command()
@told_plainly
def publish(week: Week = None) -> None:
    """Publish the staged candidates of a week by hand. The publisher audits them again, and refuses what is bad."""
    from gnn_assets.cli import publishing

    publishing.publish_week(week, console)


@app.command()
@told_plainly
def impact(
    week: Week = None,
    facts: Annotated[bool, typer.Option(help="Only which published slots the week's tables forbid.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Who would lose or gain which slots against what is published, and why; exit code 1 above the threshold."""
    from gnn_assets.cli import impact as module

    raise typer.Exit(module.show(week, facts, as_json, console))


@app.command()
@told_plainly
def rollback(
    to: Annotated[str | None, typer.Option(help="Run id to go back to. Left out: the version before this one.")] = None,
) -> None:
    """Put an earlier published version back, in one move."""
    from gnn_assets.cli import publishing

    publishing.roll_back(to, console)


@app.command()
@told_plainly
def init(
    yes: Annotated[bool, typer.Option("--yes", help="Make what is missing. Left out: only show the plan.")] = False,
) -> None:
    """Datasets and tables that outlive a week: what is there, what is missing, what differs; `--yes` makes them."""
    from gnn_assets.cli import init as module

    raise typer.Exit(module.initialise(yes, console))


@app.command()
def doctor(
    definitions_only: Annotated[bool, typer.Option(help="Only load and validate the Dagster definitions.")] = False,
    env: Annotated[str | None, typer.Option(help="Examine this environment, such as production.")] = None,
) -> None:
    """Check environment, configuration, warehouse, store, permissions and secrets; say what to do about each."""
    from gnn_assets.cli import doctor as module

    if env is not None:
        os.environ["GNN_ENV"] = env
    raise typer.Exit(module.examine(console, definitions_only=definitions_only))


@app.command()
@told_plainly
def ui(
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000,
    host: Annotated[str, typer.Option(help="Address it listens on.")] = "127.0.0.1",
) -> None:
    """Open Dagster (web server, daemon, schedules) on the state directory."""
    from gnn_assets.cli import weekly
    from gnn_assets.environment import PROJECT, Environment

    where = Environment.from_variables()
    weekly.prepare_dagster_home(where)
    # Absolute before the folder changes: whoever starts this may stand elsewhere.
    os.environ.update(GNN_STATE_DIR=str(where.state_dir), GNN_CONFIG_DIR=str(where.config_dir))
    os.chdir(PROJECT)
    console.print(f"Dagster on http://{host}:{port}, state in {where.state_dir} (Ctrl-C ends it)")
    # Through this interpreter: the environment's `dagster` need not be on the PATH.
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", "workspace.yaml"]
    os.execv(command[0], [*command, "--host", host, "--port", str(port)])


experiment_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="The A/B test behind gate 2.")
app.add_typer(experiment_app, name="experiment")
rollout_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="From a tenth of the users to all.")
app.add_typer(rollout_app, name="rollout")

By = Annotated[str, typer.Option(help="Who decides.")]
Why = Annotated[str, typer.Option(help="Why.")]


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


@rollout_app.command("show")
@told_plainly
def rollout_show() -> None:
    """Every move so far: when, from and to which share, who, why."""
    from gnn_assets.cli import rollout

    rollout.show(console)


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


bench_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Benchmarks behind the documents.")
app.add_typer(bench_app, name="bench")


@bench_app.command()
@told_plainly
def quality(
    store: Annotated[
        list[str] | None,
        typer.Option(help="sports, beauty, NAME_last_item, NAME_rebuy, gowalla …; repeatable. Left out: all targets'."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="graph, sql, a peer or a variant; repeatable. Left out: SQL, peers, graph.")
    ] = None,
    cold: Annotated[list[int] | None, typer.Option(help="Percent of owners hidden: 50, 90, 98; repeatable.")] = None,
    seeds: Annotated[int, typer.Option(help="Split seeds, or training seeds where no split is drawn.")] = 3,
    source: Annotated[Path | None, typer.Option("--from", help="Folder with the Parquet files.")] = None,
    quick: Annotated[bool, typer.Option(help="Few cells, ten training steps: under five minutes, no claims.")] = False,
    shuffle: Annotated[
        bool, typer.Option(help="Exchange users' events: nothing may beat popularity beyond its interval.")
    ] = False,
    plan: Annotated[bool, typer.Option(help="Only say which cells are missing and how long they take.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure here.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the tables here.")] = None,
    planted_file: Annotated[
        Path | None, typer.Option("--planted", help="What `gnn bench planted --json` wrote, for the targets table.")
    ] = None,
) -> None:
    """Every model on public stores: recall, lifts with intervals, costs, collapse, targets. Goes on where it was
    stopped: a result is kept for as long as data, code and settings stay what they were."""
    from gnn_assets.cli import bench

    bench.quality(
        console,
        source=source,
        stores=store or (),
        models=model or (),
        colds=cold or (),
        seeds=1 if quick else seeds,
        quick=quick,
        shuffle=shuffle,
        plan_only=plan,
        json_file=json_file,
        markdown_file=markdown_file,
        planted_file=planted_file,
    )


@bench_app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@told_plainly
def planted(context: typer.Context) -> None:
    """Does gate 1 tell right from wrong? Simulated stores with a known truth; takes the options of
    `python -m benchmarks.planted`, such as --world null --seeds 200 --json FILE."""
    from gnn_assets.cli import bench

    raise typer.Exit(bench.planted(context.args))


@bench_app.command()
@told_plainly
def gates(
    runs: Annotated[int, typer.Option(help="Simulated experiments behind each figure.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Same seed, same figures.")] = 41,
    users: Annotated[
        Path | None,
        typer.Option(help="users.parquet of an evaluation report, for gate 1. Left out: the newest one here."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure here.")] = None,
) -> None:
    """How often the gates are right: false passes, power, coverage, mismatch alarms, by simulating the very rules."""
    from gnn_assets.cli import bench_gates

    bench_gates.gates(console, runs=runs, seed=seed, users_file=users, json_file=json_file)


app.add_typer(alerts_app, name="alerts")


@bench_app.command()
@told_plainly
def diversity(
    store: Annotated[
        list[str] | None,
        typer.Option(help="sports, beauty, simulated_small …; repeatable. Left out: these three."),
    ] = None,
    cold: Annotated[list[int] | None, typer.Option(help="Percent of owners hidden; repeatable. Left out: 90.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of split or simulation.")] = 1,
    strength: Annotated[list[float] | None, typer.Option(help="Strengths, 0 first; repeatable.")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Folder with the Parquet files.")] = None,
    plan: Annotated[bool, typer.Option(help="Only say which fits are missing and how long they take.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure here.")] = None,
) -> None:
    """Recall of diversified lists against how different their products are, on validation windows. Resumes."""
    from gnn_assets.cli import bench_diversity

    bench_diversity.diversity(
        console,
        source=source,
        stores=store or (),
        colds=cold or (),
        seeds=seeds,
        strengths=strength or (),
        plan_only=plan,
        json_file=json_file,
    )


@bench_app.command()
@told_plainly
def ablations(
    store: Annotated[
        list[str] | None, typer.Option(help="Cold, warm or simulated stores; repeatable. Left out: beauty.")
    ] = None,
    switch: Annotated[
        list[str] | None, typer.Option(help="Variants such as graph_dot; repeatable. All if none.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Training steps at most, in place of the config's; 0 = the constants alone.")
    ] = None,
    cold: Annotated[list[int] | None, typer.Option(help="Percent of owners hidden; repeatable. Left out: 90.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of split or simulation.")] = 1,
    source: Annotated[Path | None, typer.Option("--from", help="Folder with the Parquet files.")] = None,
    plan: Annotated[bool, typer.Option(help="Only say which fits are missing and how long they take.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure here.")] = None,
) -> None:
    """Every switch of the graph model off in turn: what each is worth on validation windows. Resumes."""
    from gnn_assets.cli import bench_ablations

    bench_ablations.ablations(
        console,
        source=source,
        stores=store or (),
        switches=switch or (),
        colds=cold or (),
        seeds=seeds,
        steps=steps,
        plan_only=plan,
        json_file=json_file,
    )


@bench_app.command()
@told_plainly
def search(
    store: Annotated[
        str | None, typer.Option(help="A cold, warm or simulated store. Left out: the store of the state directory.")
    ] = None,
    point: Annotated[list[str] | None, typer.Option(help="Points of the grid; repeatable. Left out: all.")] = None,
    cold: Annotated[int, typer.Option(help="Percent of owners hidden.")] = 90,
    seeds: Annotated[int, typer.Option(help="Seeds of training; each is a fit a point.")] = 2,
    source: Annotated[Path | None, typer.Option("--from", help="Folder with the Parquet files.")] = None,
    plan: Annotated[bool, typer.Option(help="Only say the budget: which fits, and how long they take.")] = False,
    overlay: Annotated[
        Path | None, typer.Option(help="Where the choice is written. Left out: searched_STORE.yaml in the state.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure here.")] = None,
) -> None:
    """Settings for one store, chosen inside its own validation windows; no test window is read. The choice is a
    config overlay, which the weekly job uses only when GNN_OVERLAY names it."""
    from gnn_assets.cli import bench_search

    bench_search.search(
        console,
        source=source,
        store=store,
        points=point or (),
        cold=cold,
        seeds=seeds,
        plan_only=plan,
        overlay=overlay,
        json_file=json_file,
    )


def parse_week(text: str | None) -> dt.date | None:
    """A Monday, or an error that says which day it is."""
    from gnn_core.errors import ConfigError

    if text is None:
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--week {text!r} is no date; write it as 2026-02-23") from error
    if day.weekday() != 0:
        raise ConfigError(f"--week {text} is a {day:%A}; weeks are named by their Monday")
    return day


if __name__ == "__main__":
    app()
