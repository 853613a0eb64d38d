"""`gnn bench`: the benchmarks behind the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gnn_assets.cli.telling import console, told_plainly

bench_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Benchmarks behind the documents.")

Source = Annotated[Path | None, typer.Option("--from", help="Folder with the Parquet files.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write every figure here.")]
TrialColds = Annotated[list[int] | None, typer.Option(help="Percent of owners hidden; repeatable. Left out: 90.")]
TrialSeeds = Annotated[int, typer.Option(help="Seeds of split or simulation.")]
TrialPlan = Annotated[bool, typer.Option(help="Only say which fits are missing and how long they take.")]


@bench_app.command()
@told_plainly
def quality(
    store: Annotated[
        list[str] | None,
        typer.Option(help="sports, beauty, NAME_last_item, NAME_rebuy, gowalla …; repeatable. Left out: all targets'."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="graph, sql, a peer or a variant; repeatable. Left out: what tells something there."),
    ] = None,
    cold: Annotated[list[int] | None, typer.Option(help="Percent of owners hidden: 50, 90, 98; repeatable.")] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Of the split, where owners are hidden (left out: 5), or of training (left out: 3)."),
    ] = None,
    source: Source = None,
    quick: Annotated[bool, typer.Option(help="Few cells, a smaller model: under five minutes, no claims.")] = False,
    shuffle: Annotated[
        bool, typer.Option(help="Exchange users' events: nothing may beat popularity beyond its interval.")
    ] = False,
    whole: Annotated[
        bool,
        typer.Option(help="Everything behind the targets: the stores, the same shuffled, and the planted null."),
    ] = False,
    plan: Annotated[bool, typer.Option(help="Only say which cells are missing and how long they take.")] = False,
    stored: Annotated[bool, typer.Option("--stored", help="Report what is there; make nothing.")] = False,
    json_file: JsonFile = None,
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
        whole=whole,
        plan_only=plan,
        stored=stored,
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
    json_file: JsonFile = None,
) -> None:
    """How often the gates are right: false passes, power, coverage, mismatch alarms, by simulating the very rules."""
    from gnn_assets.cli import bench_gates

    bench_gates.gates(console, runs=runs, seed=seed, users_file=users, json_file=json_file)


@bench_app.command()
@told_plainly
def diversity(
    store: Annotated[
        list[str] | None,
        typer.Option(help="sports, beauty, simulated_small …; repeatable. Left out: these three."),
    ] = None,
    cold: TrialColds = None,
    seeds: TrialSeeds = 1,
    strength: Annotated[list[float] | None, typer.Option(help="Strengths, 0 first; repeatable.")] = None,
    source: Source = None,
    plan: TrialPlan = False,
    json_file: JsonFile = None,
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
    cold: TrialColds = None,
    seeds: TrialSeeds = 1,
    source: Source = None,
    plan: TrialPlan = False,
    json_file: JsonFile = None,
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
    source: Source = None,
    plan: Annotated[bool, typer.Option(help="Only say the budget: which fits, and how long they take.")] = False,
    overlay: Annotated[
        Path | None, typer.Option(help="Where the choice is written. Left out: searched_STORE.yaml in the state.")
    ] = None,
    json_file: JsonFile = None,
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
