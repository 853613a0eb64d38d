"""Small range checks for settings; each raises ConfigError naming the key."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gnn_core.errors import ConfigError


def at_least(section: object, name: str, low: float) -> None:
    """The setting must be a number >= low."""
    value = getattr(section, name)
    if value is None or not value >= low:
        raise ConfigError(f"{_key(section, name)} is {value!r}; it must be at least {low}")


def within(section: object, name: str, low: float, high: float) -> None:
    """The setting must lie in [low, high]."""
    value = getattr(section, name)
    if not low <= value <= high:
        raise ConfigError(f"{_key(section, name)} is {value!r}; it must lie between {low} and {high}")


def one_of(section: object, name: str, allowed: Iterable[str]) -> None:
    """The setting must be one of a closed set."""
    value = getattr(section, name)
    if value not in tuple(allowed):
        raise ConfigError(f"{_key(section, name)} is {value!r}; it must be one of {', '.join(allowed)}")


def shares(section: object, name: str) -> None:
    """The values of a mapping must be non-negative and sum to 1."""
    values = getattr(section, name)
    if any(v < 0 for v in values.values()) or abs(sum(values.values()) - 1) > 1e-9:
        raise ConfigError(f"{_key(section, name)} is {values}; its shares must be >= 0 and sum to 1")


def identifier(section: object, name: str) -> None:
    """The setting must be a plain SQL identifier."""
    value = getattr(section, name)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", value or ""):
        raise ConfigError(f"{_key(section, name)} is {value!r}; it must match [A-Za-z_][A-Za-z0-9_]*")


def _key(section: object, name: str) -> str:
    return f"{getattr(section, 'SECTION', type(section).__name__)}.{name}"
