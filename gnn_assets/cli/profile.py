"""The store's profile as a command changes it: the overlay of a state directory, which only a store of its own has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from gnn_assets.environment import Environment
from gnn_core.errors import ConfigError

NO_STORE = "run `gnn simulate small` or `gnn load NAME` first"


def profile_of(where: Environment, instead: str = NO_STORE) -> str:
    """Text of the store's profile.

    Args:
        instead: what to do where a warehouse that others fill has its settings in the configuration.
    Raises:
        ConfigError: there is none.
    """
    if not where.profile_path.is_file():
        # A store of this machine is missing; a warehouse in the cloud has no profile and needs none.
        embedded = where.settings().warehouse.engine == "duckdb"
        raise ConfigError(f"{where.state_dir} holds no store's profile: {NO_STORE if embedded else instead}")
    return where.profile_path.read_text()


def change_profile(where: Environment, changes: Mapping[str, Mapping[str, Any]], instead: str = NO_STORE) -> None:
    """Lay values over the store's profile; `instead` as for `profile_of`.

    Raises:
        ConfigError: there is no profile, or a value is not allowed; the profile stays as it was.
    """
    before = profile_of(where, instead)
    profile = yaml.safe_load(before)
    for section, values in changes.items():
        profile.setdefault(section, {}).update(values)
    where.profile_path.write_text(yaml.safe_dump(profile, sort_keys=False))
    try:
        where.settings()
    except ConfigError:
        where.profile_path.write_text(before)
        raise
