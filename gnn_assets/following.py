"""Does the published table serve the share that the rollout's ledger says? Asked of both ledgers, as they are now.

What belongs here: the comparison, and when it is tried again. What does not: who asks (rollout_sensor.py, the daily
look, `gnn rollout publish`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from gnn_assets.partitions import as_of
from gnn_core.config import Settings
from gnn_core.experiment.rollout import HOLD, Move
from gnn_core.experiment.rollout_ledger import read_moves
from gnn_core.experiment.serving_arms import governing_share
from gnn_core.io.artifacts import ArtifactStore
from gnn_core.io.warehouse import Warehouse
from gnn_core.publishing.shares import LiveShare, live_share
from gnn_core.publishing.state import read_ledger

PUBLISHERS = ("weekly", "republish")
"""Jobs that publish; while a run of one is under way, the table is about to follow."""
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
PAUSES = tuple(dt.timedelta(minutes=m) for m in (5, 20, 60, 180))
"""After each try that failed, before the next: what holds a publish up for minutes is a busy warehouse; for hours,
something that a person has to see, who has been told by then."""
TRIES = len(PAUSES) + 1
MOVE_TAG, LAST_TRY_TAG = "gnn/rollout_move", "gnn/last_try"
"""Tags of a run that follows a move: the move's number; that nothing comes after it by itself."""
BY_HAND = "`gnn rollout publish`"


@dataclass(frozen=True)
class Following:
    """What is decided, and what is live."""

    share: float
    """Of the rollout that governs the newest published week."""
    move: Move
    """The last one that moved the share."""
    live: LiveShare

    @property
    def follows(self) -> bool:
        """Whether the live table was made under the share."""
        return self.live.share == self.share

    @property
    def sentence(self) -> str:
        """For a page or an alert."""
        stands = f"The rollout stands at {self.share:.0%}: {self.move.reason}"
        run = f"run {self.live.run_id[:8]}"
        if self.follows:
            return f"{stands} The live table, {run}, was made under this share."
        made = "without one" if self.live.share is None else f"under {self.live.share:.0%}"
        if self.live.rolled_back:
            return (
                f"{stands} A person has put {run} back, which was made {made}; nothing replaces it by itself. "
                f"{BY_HAND} makes the table of this share."
            )
        return f"{stands} The table does not follow the rollout: {run}, made {made}, is live."


def following(warehouse: Warehouse, settings: Settings, published: str) -> Following | None:
    """How the live table stands to the rollout; None where no rollout governs the newest published week.

    Raises:
        WarehouseBusyError: a run holds the embedded warehouse.
        RolloutRefused: the rollout's ledger was changed by hand.
    """
    moves, live = read_moves(warehouse, settings), live_share(read_ledger(warehouse, settings))
    share = governing_share(moves, settings.experiment, as_of(published))
    if share is None or live is None:
        return None
    return Following(share, next(m for m in reversed(moves) if m.action != HOLD), live)


def newest_published(store: ArtifactStore) -> str | None:
    """Monday of the newest week whose table went live; one that was stopped before cannot be what is made again."""
    weeks = [week for week in store.weeks() if week[:1].isdigit() and store.exists(week, "recommendations")]
    return weeks[-1] if weeks else None


def publishing_run(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """A run that is under way and publishes; None when there is none."""
    for job in PUBLISHERS:
        if runs := list(instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNDER_WAY), limit=1)):
            return runs[0]
    return None


def next_try(ended: Sequence[dt.datetime]) -> dt.datetime | None:
    """When it is tried again after tries that ended then and changed nothing; None when that is for a person now."""
    if not ended:
        return dt.datetime.min.replace(tzinfo=dt.UTC)
    return max(ended) + PAUSES[len(ended) - 1] if len(ended) < TRIES else None
