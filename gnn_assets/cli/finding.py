"""One thing that `gnn doctor` examined."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One examined thing: whether it holds, what was seen, what to do if not."""

    what: str
    good: bool
    seen: str
    remedy: str = ""
