"""Under which share of the rollout the live table was made, and since when, from the publish ledger's notes.

What belongs here: writing and reading that note. What does not: which share should be served (experiment/rollout.py).

It stands in the ledger, in the row that makes a publish one, because everything else can be of another moment: the
rollout's own ledger says what was decided, and an artifact what was staged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from gnn_core.publishing.state import ROLLBACK, LedgerEntry

_MARK = "rollout share "


@dataclass(frozen=True)
class LiveShare:
    """What the table that is live serves of the rollout."""

    run_id: str
    share: float | None
    """Share under which it was made; None where the rollout had no part in it, or nobody wrote it down."""
    since: dt.datetime
    """First publish of the unbroken row of publishes under this share that ends with the live one."""
    rolled_back: bool
    """Somebody put this version back by hand (`gnn rollback`): nothing should replace it by itself."""


def share_note(share: float | None) -> str:
    """Note of a publish; empty where the rollout had no part in the table."""
    return "" if share is None else f"{_MARK}{share!r}"


def live_share(entries: Sequence[LedgerEntry]) -> LiveShare | None:
    """What the ledger's last entry serves; None when nothing was ever published.

    Args:
        entries: all of them, oldest first.
    """
    if not entries:
        return None
    shares = [_share_of(entry, entries[:place]) for place, entry in enumerate(entries)]
    first = len(entries) - 1
    while first > 0 and shares[first - 1] == shares[-1]:
        first -= 1
    last = entries[-1]
    return LiveShare(last.run_id, shares[-1], entries[first].published_at, last.action == ROLLBACK)


def _share_of(entry: LedgerEntry, before: Sequence[LedgerEntry]) -> float | None:
    """Of a publish its own note; of a rollback that of the publish it returned to."""
    same_run = [e for e in before if e.run_id == entry.run_id] if entry.action == ROLLBACK else []
    note = next((e.note for e in reversed(same_run) if e.note.startswith(_MARK)), entry.note)
    return float(note.removeprefix(_MARK).split(" ")[0]) if note.startswith(_MARK) else None
