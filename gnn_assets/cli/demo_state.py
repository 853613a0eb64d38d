"""A state directory that `gnn demo` made: the next demo begins anew in it.

What belongs here: whose state a directory holds, and clearing one that is a demo's. What does not: making a store.

A demo is made again by its command, so its state may go; any other store's is never touched. What was measured
(`bench`) and every file that a person put there stays.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from gnn_assets.environment import PROFILE, Environment

MARK = "demo.txt"
WORDS = "`gnn demo` made the store in this folder. The next `gnn demo` replaces it; nothing else does.\n"
OF_A_STORE = ("artifacts", "dagster", "training", "warehouse.duckdb.wal", "warehouse.duckdb", PROFILE)
"""What a run leaves, in the order of removal. The profile is last: while it is there no other store moves in."""


def claim(where: Environment) -> None:
    """Say that the store is a demo's, once it is whole."""
    (where.state_dir / MARK).write_text(WORDS)


def disclaim(where: Environment) -> None:
    """Another command made the store."""
    (where.state_dir / MARK).unlink(missing_ok=True)


def clear(where: Environment) -> bool:
    """Remove an earlier demo; False where there was none, and then nothing is removed."""
    if not (where.state_dir / MARK).is_file():
        return False
    for name in OF_A_STORE:
        _remove(where.state_dir / name)
    disclaim(where)
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
