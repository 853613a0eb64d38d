"""What staging left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drops:
    """Source rows (or values) that did not reach a contract table, for one reason."""

    table: str
    reason: str
    rows: int
