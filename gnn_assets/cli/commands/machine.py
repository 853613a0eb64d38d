"""`gnn init`, `doctor`, `ui`: what this machine and its warehouse need, and Dagster on them."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from gnn_assets.cli.telling import console, told_plainly


@told_plainly
def init(
    yes: Annotated[bool, typer.Option("--yes", help="Make what is missing. Left out: only show the plan.")] = False,
) -> None:
    """Datasets and tables that outlive a week: what is there, what is missing, what differs; `--yes` makes them."""
    from gnn_assets.cli import init as module

    raise typer.Exit(module.initialise(yes, console))


def doctor(
    definitions_only: Annotated[bool, typer.Option(help="Only load and validate the Dagster definitions.")] = False,
    env: Annotated[str | None, typer.Option(help="Examine this environment, such as production.")] = None,
) -> None:
    """Check environment, configuration, warehouse, store, permissions and secrets; say what to do about each."""
    from gnn_assets.cli import doctor as module

    if env is not None:
        os.environ["GNN_ENV"] = env
    raise typer.Exit(module.examine(console, definitions_only=definitions_only))


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
