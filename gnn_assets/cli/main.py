"""`gnn`: which commands there are, in the order that `gnn --help` lists them.

The words of each (options, help) stand in `commands`, what it does in a module of `cli` that is imported when it is
called: `gnn --help` loads neither Dagster nor torch.
"""

from __future__ import annotations

import typer

from gnn_assets.cli.commands import alerts, bench, experiment, machine, program, rollout, store, week

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

for command in (
    store.simulate,
    store.load,
    week.run,
    program.demo,
    program.status,
    week.publish,
    week.impact,
    week.rollback,
    machine.init,
    machine.doctor,
    machine.ui,
):
    app.command()(command)

for name, group in (
    ("experiment", experiment.experiment_app),
    ("rollout", rollout.rollout_app),
    ("bench", bench.bench_app),
    ("alerts", alerts.alerts_app),
):
    app.add_typer(group, name=name)


if __name__ == "__main__":
    app()
