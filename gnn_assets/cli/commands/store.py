"""`gnn simulate` and `gnn load`: where a store's tables come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gnn_assets.cli.telling import console, told_plainly


@told_plainly
def simulate(
    size: Annotated[str, typer.Argument(help="tiny (seconds), small (the demo), full (475,000 users).")],
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 17,
) -> None:
    """Write a simulated parts store's raw tables into the warehouse, and print aimed against reached shares."""
    from gnn_assets.cli import data

    data.simulate_store(size, seed, console)


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
