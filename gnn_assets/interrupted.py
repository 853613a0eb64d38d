"""A publish that died after the table had moved is completed before anything is judged by what the ledgers say.

What belongs here: which week it was, and what its publish would have left. What does not: whether a table was put there
by a publish at all (publishing/state.py).
"""

from __future__ import annotations

import datetime as dt

from gnn_assets.resources import Week
from gnn_core.errors import ArtifactError
from gnn_core.io.artifacts import json_bytes
from gnn_core.publishing.shares import share_note
from gnn_core.publishing.state import LiveState, live_state, repair_ledger


def settled_live_state(week: Week) -> LiveState | None:
    """State of the live table, after the ledger row of an interrupted publish was written where one was left out.

    A table that is not recorded after this was put there by no publish.
    """
    live = live_state(week.publisher, week.settings)
    if live is None or live.recorded:
        return live
    staged = _staged_by(week, live.run_id)
    note = share_note(staged[1]) if staged else ""
    if repair_ledger(week.publisher, week.settings, live, at=dt.datetime.now(dt.UTC), note=note) is None:
        return live
    if staged is not None:
        # Else an earlier week would count as the newest that was published, and could be made again over this one.
        write_published(week.at(staged[0]), live, staged[1])
    return live_state(week.publisher, week.settings)


def write_published(week: Week, live: LiveState, share: float | None) -> None:
    """What a publish leaves beside the week's other artifacts."""
    content = {"run_id": live.run_id, "digest": live.digest, "ledger_share": share}
    week.write("recommendations", {"published.json": json_bytes(content)})


def _staged_by(week: Week, run_id: str) -> tuple[str, float | None] | None:
    """Week whose lists a run staged, and under which share; None where no artifact that can be read says so."""
    for key in reversed([w for w in week.store.weeks() if w[:1].isdigit()]):
        if not week.store.exists(key, "recommendation_candidates"):
            continue
        try:
            staged = week.at(key).read("recommendation_candidates").json("staged.json")
        except ArtifactError:
            continue  # made with other settings, or from tables that have changed since
        if staged.get("run_id") == run_id:
            return key, staged.get("ledger_share")
    return None
