"""`gnn simulate` and `gnn load`: put a store into the state directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from gnn_assets.cli import demo_state
from gnn_assets.environment import Environment
from gnn_core.config import Settings, load_settings
from gnn_core.errors import ConfigError
from gnn_core.io.emulators import bigquery_addresses
from gnn_core.simulate.sizes import StoreSize, size_of
from gnn_core.simulate.worlds import World


def simulate_store(size: str | StoreSize, seed: int, console: Console, world: World | None = None) -> None:
    """Simulate, write the raw tables and the store's profile, print the shares; the default world unless given."""
    from gnn_core.simulate import format_shares, simulate, store_profile, write_raw

    where = Environment.from_variables()
    console.print(f"Simulating a [bold]{size_of(size).name}[/bold] parts store, seed {seed} …")
    store = simulate(size, seed=seed, world=world)
    settings = adopt_profile(where, store_profile(size, seed))
    write_raw(store, where.warehouse(settings), settings)
    console.print(format_shares(store.shares()), markup=False, highlight=False, soft_wrap=True)
    console.print(f"Raw tables are in the warehouse of {where.state_dir}; `gnn run` is next.", soft_wrap=True)


def load_public_store(name: str, source: Path, cold_share: float, rebuy: bool, seed: int, console: Console) -> None:
    """Load a public data set as contract tables, with its profile."""
    from gnn_core.stores.public import load_store, write_contract

    where = Environment.from_variables()
    store = load_store(name, source, cold_share=cold_share, seed=seed, rebuy=rebuy)
    settings = adopt_profile(where, store.profile)
    write_contract(store, where.warehouse(settings), settings)
    for table, rows in store.tables.items():
        console.print(f"  {table:12s} {rows.num_rows:>10,d} rows")
    for phrase in settings.store.stand_ins:
        console.print(f"  stand-in: {phrase}", highlight=False, soft_wrap=True)
    console.print(f"Contract tables are in the warehouse of {where.state_dir}; `gnn run` is next.", soft_wrap=True)


def adopt_profile(where: Environment, profile: Mapping[str, Any]) -> Settings:
    """Validate a store profile, write it, and return the settings that hold from now on.

    Raises:
        ConfigError: the state directory already holds another store: results of two would mix.
    """
    settings = load_settings(
        where.config_dir / "gnn_config.yaml", [where.config_dir / f"{where.name}.yaml", dict(profile)]
    )
    if settings.warehouse.engine != "duckdb" and bigquery_addresses() is None:
        raise ConfigError(
            "simulated and public stores are written to the embedded warehouse or to an emulator only: in "
            f"{settings.warehouse.project} they would replace a retailer's tables. Unset GNN_ENV, or load by hand"
        )
    text = yaml.safe_dump(_plain(profile), sort_keys=False)
    if where.profile_path.is_file() and where.profile_path.read_text() != text:
        raise ConfigError(
            f"{where.state_dir} already holds another store ({where.profile_path}); name an empty folder in "
            "GNN_STATE_DIR, or remove this one"
        )
    where.state_dir.mkdir(parents=True, exist_ok=True)
    where.profile_path.write_text(text)
    demo_state.disclaim(where)
    return settings


def _plain(value: Any) -> Any:
    """Tuples become lists: YAML has no tuple."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value
