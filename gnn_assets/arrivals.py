"""New data of a week: what the sources hold, whether they stand still, and whether that was refreshed already.

What belongs here: the marks of the sources, and the decision, which is pure. What does not: the sensor (sensors.py),
what a mark is (the warehouses).

A data state is the marks of all sources as the week sees them. It is complete when the week's last day has events and
nothing has moved for the settle time. One complete state makes one run: the state is kept in the cursor, the run is
named by it, and a run that somebody else started after the last move has read it too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from gnn_core.config import Settings
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.io.warehouse import TableName, Warehouse

TIME_COLUMNS = {
    "user_attributes": "update_timestamp",
    "events": "client_event_timestamp",
    "sends": "treatment_sent_timestamp",
    "engagements": "interaction_timestamp",
}
"""Column by which staging leaves out what lies after the week, by key of `sources`; the others are read whole."""
CONTRACT_TIME_COLUMNS = {"events": "event_ts", "sends": "sent_ts", "engagements": "engaged_ts"}
LAST_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class State:
    """What the sensor's cursor holds."""

    week: str = ""
    marks: Mapping[str, str] | None = None
    """Source table → mark; None before the first look."""
    since: str = ""
    """When these marks were first seen: ISO, UTC."""
    done: str = ""
    """Digest of the newest state for which a run was asked, or found."""

    @property
    def digest(self) -> str:
        """Of week and marks."""
        text = json.dumps([self.week, sorted((self.marks or {}).items())])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def as_cursor(self) -> str:
        """Text for Dagster."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_cursor(cls, text: str | None) -> State:
        """From `as_cursor`; a cursor that somebody cleared begins anew."""
        return cls(**json.loads(text)) if text else cls()


@dataclass(frozen=True)
class RunOfWeek:
    """A weekly run of the same week."""

    run_id: str
    created: dt.datetime


@dataclass(frozen=True)
class Decision:
    """What follows from one look."""

    state: State
    run_key: str | None
    """Name of the run to start; None = none."""
    words: str


def source_tables(settings: Settings) -> dict[str, tuple[TableName, str | None]]:
    """Every source table by its key, with the column by which the week is cut."""
    dataset = settings.warehouse.source_dataset
    if settings.store.tables == "contract":
        return {name: (TableName(dataset, name), CONTRACT_TIME_COLUMNS.get(name)) for name in SNAPSHOT_TABLES}
    keys = ("user_attributes", "events", "orders", "fitment", "catalogue", "sends", "engagements")
    return {key: (TableName(dataset, getattr(settings.sources, key)), TIME_COLUMNS.get(key)) for key in keys}


def read_marks(warehouse: Warehouse, settings: Settings, as_of: dt.datetime) -> dict[str, str]:
    """Mark of every source table as a week that ends at `as_of` sees it; "missing" where there is no such table."""
    return {
        key: warehouse.mark(table, time_column=column, before=as_of) if warehouse.exists(table) else "missing"
        for key, (table, column) in source_tables(settings).items()
    }


def last_day_has_events(warehouse: Warehouse, settings: Settings, as_of: dt.datetime) -> bool:
    """Whether the event stream reaches the last day before `as_of`."""
    table, column = source_tables(settings)["events"]
    if not warehouse.exists(table):
        return False
    rows = warehouse.query(
        f"SELECT COUNT(*) AS n FROM {{events}} WHERE {column} >= @start AND {column} < @end",
        parameters={"start": as_of - LAST_DAY, "end": as_of},
        tables={"events": table},
        label="events of the last day",
    )
    return int(rows["n"][0].as_py()) > 0


def decide(
    before: State,
    week: str,
    marks: Mapping[str, str],
    *,
    reaches_end: bool,
    runs: Sequence[RunOfWeek],
    now: dt.datetime,
    settle: dt.timedelta,
) -> Decision:
    """One look: wait, start a run, or leave it.

    Args:
        before: cursor of the last look.
        week: newest week that has ended.
        marks: of the sources, as that week sees them.
        reaches_end: whether the week's last day has events.
        runs: weekly runs of the week that were started by anybody, failed ones included: the same data fail again,
            and whoever mends the data makes a new state.
        now: UTC.
    """
    seen = State(week, dict(marks), now.isoformat(), before.done)
    if before.marks is None and runs:
        # Nobody knows what that run has read; that it read this is the likelier, and the next change is noticed.
        return Decision(
            replace(seen, done=seen.digest), None, f"First look: run {runs[-1].run_id[:8]} has made {week}."
        )
    if before.marks is None or before.digest != seen.digest:
        moved = ", ".join(sorted(k for k in marks if (before.marks or {}).get(k) != marks[k] or before.week != week))
        words = f"Data of week {week} have changed ({moved}): waiting until they stand still for {_minutes(settle)}."
        return Decision(seen, None, words)
    state = replace(seen, since=before.since)
    since = dt.datetime.fromisoformat(state.since)
    if state.done == state.digest:
        return Decision(state, None, f"Nothing new for week {week} since {since:%Y-%m-%d %H:%M} UTC.")
    if absent := sorted(key for key, mark in marks.items() if mark == "missing"):
        return Decision(state, None, f"Week {week} is not complete: {', '.join(absent)} missing.")
    if not reaches_end:
        return Decision(state, None, f"Week {week} is not complete: its last day has no event yet.")
    if now - since < settle:
        stood = _minutes(now - since)
        return Decision(state, None, f"Data of week {week} stand still for {stood} of {_minutes(settle)}.")
    done = replace(state, done=state.digest)
    if later := [run for run in runs if run.created >= since]:
        return Decision(done, None, f"Run {later[-1].run_id[:8]} has read the data of week {week} as they are.")
    return Decision(done, f"data-{week}-{state.digest}", f"Week {week} is complete.")


def _minutes(span: dt.timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} min"
