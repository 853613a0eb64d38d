"""The contract tables of a simulated store, as frames or as Parquet files that another machine can read.

What belongs here: getting a store for a benchmark. What does not: what is measured on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from gnn_core.config import Settings, load_settings
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.graph.split import Timeline, build_timeline
from gnn_core.simulate.sizes import STORE_END
from gnn_core.snapshot import Snapshot, build_snapshot

CONFIG = Path(__file__).parents[1] / "configs" / "gnn_config.yaml"
TABLES = ("users", "vehicles", "ownership", "products", "fitment", "events")
"""What a snapshot is built from."""


def settings_of(**overrides: Mapping[str, object]) -> Settings:
    """The project's configuration with changes by section."""
    return load_settings(CONFIG, [{"store": {"name": "benchmark"}}, dict(overrides)])


def simulated_tables(size: str, seed: int) -> dict[str, pd.DataFrame]:
    """Raw tables → contract tables, in memory."""
    # Only here: a machine that reads prepared tables needs no warehouse.
    from gnn_core.io.duckdb import DuckDbWarehouse
    from gnn_core.simulate import simulate, store_profile, write_raw
    from gnn_core.simulate.sizes import size_of
    from gnn_core.stores.staging import RECIPES, stage_table
    from gnn_core.stores.week import WeekTables

    settings = load_settings(CONFIG, [store_profile(size, seed)])
    warehouse = DuckDbWarehouse(":memory:", settings.warehouse)
    write_raw(simulate(size_of(size), seed=seed), warehouse, settings)
    week = WeekTables(STORE_END, settings.warehouse.work_dataset)
    for name in RECIPES:
        stage_table(warehouse, name, week, settings)
    return {name: warehouse.read(week.table(name)).to_pandas() for name in SNAPSHOT_TABLES if name in TABLES}


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """One Parquet file a table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        tables[name].to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """What `write_tables` left, or the same files of a weekly run."""
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}


def snapshot_of(tables: Mapping[str, pd.DataFrame]) -> Snapshot:
    """The store as of the end of its newest complete week."""
    return build_snapshot(tables, pd.Timestamp(STORE_END).to_datetime64())


def timeline_of(settings: Settings) -> Timeline:
    """Windows of the newest week."""
    return build_timeline(pd.Timestamp(STORE_END), settings.split)
