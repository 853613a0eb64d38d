"""Who is live, who was, and who may be again.

What belongs here: the publish ledger, what it implies, and the live table's own word. What does not: moving tables
(publisher.py). The live table is the truth and the ledger its memory: a crash between the move and the ledger row is
repaired from the table, never the other way round.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pyarrow as pa

from gnn_core.config import Settings
from gnn_core.contracts import TIMESTAMP
from gnn_core.errors import WarehouseError
from gnn_core.io.sql import load_sql
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.audit import totals
from gnn_core.publishing.digest import table_digest
from gnn_core.publishing.schema import (
    DECLARED_TYPES,
    is_run_id,
    ledger_table,
    live_table,
    staging_table,
    version_table,
)

log = logging.getLogger(__name__)
PUBLISH, ROLLBACK = "publish", "rollback"
UNREADABLE = "of unknown origin"
RECOVERED = "recovered from the live table after an interruption"
LEDGER = pa.schema(
    [
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("published_at", TIMESTAMP, nullable=False),
        pa.field("action", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("n_rows", pa.int64(), nullable=False),
        pa.field("n_users", pa.int64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("staging", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class LedgerEntry:
    """One row of the ledger: from `published_at` on, `run_id` was live."""

    sequence: int
    """1, 2, 3 …; the order of entries, since `published_at` is whatever the caller says."""
    published_at: dt.datetime
    action: str
    """`publish` or `rollback`."""
    run_id: str
    digest: str
    n_rows: int
    n_users: int
    source: str
    staging: str
    version: str
    note: str


@dataclass(frozen=True)
class LiveState:
    """What stands in the live table, read from the table itself."""

    table: TableName
    run_id: str
    """`<n> runs` when somebody mixed runs by hand; no publish does. UNREADABLE when columns are not as declared."""
    rows: int
    users: int
    source: str
    """Policies in the table, joined by `+`."""
    digest: str
    recorded: bool
    """Whether the ledger's last entry says the same run and digest; not after an interruption, or a change by hand."""

    def __str__(self) -> str:
        return f"run {self.run_id} ({self.rows:,} rows, {self.users:,} users, {self.source}, digest {self.digest[:12]})"


def live_state(warehouse: Warehouse, settings: Settings) -> LiveState | None:
    """State of the live table, or None when nothing was ever published."""
    live = live_table(settings)
    if not warehouse.exists(live):
        return None
    state = describe(warehouse, live)
    entries = read_ledger(warehouse, settings)
    recorded = bool(entries) and (entries[-1].run_id, entries[-1].digest) == (state.run_id, state.digest)
    return LiveState(**{**vars(state), "recorded": recorded})


def describe(warehouse: Warehouse, table: TableName) -> LiveState:
    """Run, size, policies and digest of any recommendations table; `recorded` is False."""
    if list(warehouse.columns(table).items()) != list(DECLARED_TYPES.items()):
        return LiveState(table, UNREADABLE, warehouse.row_count(table), 0, "", "", recorded=False)
    found = totals(warehouse, table)
    sources = warehouse.query(load_sql("publishing/sources"), tables={"table": table}, label="sources").to_pylist()
    run = found.first_run if found.runs == 1 else f"{found.runs} runs"
    return LiveState(
        table=table,
        run_id=str(run),
        rows=found.rows,
        users=found.users,
        source="+".join(str(row["source"]) for row in sources),
        digest=table_digest(warehouse, table),
        recorded=False,
    )


def read_ledger(warehouse: Warehouse, settings: Settings) -> list[LedgerEntry]:
    """All entries, oldest first; empty when there is no ledger yet."""
    table = ledger_table(settings)
    if not warehouse.exists(table):
        return []
    rows = warehouse.read(table, columns=LEDGER.names).to_pylist()
    return sorted((LedgerEntry(**row) for row in rows), key=lambda entry: entry.sequence)


def history(entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """Good versions, oldest first; the last should be live, and the one before it is what a rollback returns to.

    A publish comes on top. A rollback takes away everything above the version it returned to: what was rolled back
    from is not good, and no later rollback goes there by itself.
    """
    stack: list[LedgerEntry] = []
    for entry in entries:
        position = next((i for i, e in enumerate(stack) if e.run_id == entry.run_id), None)
        if entry.action == ROLLBACK and position is not None:
            del stack[position + 1 :]
            continue
        if position is not None:
            del stack[position]
        stack.append(entry)
    return stack


def record(
    warehouse: Warehouse,
    settings: Settings,
    action: str,
    state: LiveState,
    *,
    at: dt.datetime,
    staging: str,
    note: str = "",
) -> LedgerEntry:
    """Append one entry for what is now live."""
    entries = read_ledger(warehouse, settings)
    entry = LedgerEntry(
        sequence=entries[-1].sequence + 1 if entries else 1,
        published_at=at,
        action=action,
        run_id=state.run_id,
        digest=state.digest,
        n_rows=state.rows,
        n_users=state.users,
        source=state.source,
        staging=staging,
        version=str(version_table(settings, state.run_id)),
        note=note,
    )
    table = ledger_table(settings)
    row = pa.Table.from_pylist([asdict(entry)], schema=LEDGER)
    warehouse.load(table, row, replace=not warehouse.exists(table))
    return entry


def repair_ledger(
    warehouse: Warehouse, settings: Settings, state: LiveState | None, *, at: dt.datetime, note: str = ""
) -> LedgerEntry | None:
    """Write the entry that an interrupted publish or rollback left out; None when there is nothing to repair.

    Only a live table that equals the kept version of its run was put there by a move. Anything else was changed by
    hand: it gets no entry, and the next publish replaces it.

    Args:
        note: what the publish would have written, where that is known.
    """
    if state is None or state.recorded:
        return None
    if not equals_version(warehouse, settings, state.run_id, state.digest):
        log.warning("%s holds %s, which no publish put there; the ledger is left alone", state.table, state)
        return None
    known = {entry.run_id: entry for entry in history(read_ledger(warehouse, settings))}
    action = ROLLBACK if state.run_id in known else PUBLISH
    staging = str(staging_table(settings, state.run_id))
    log.warning("ledger: adding the %s of %s, interrupted before it was recorded", action, state)
    return record(warehouse, settings, action, state, at=at, staging=staging, note=f"{note} {RECOVERED}".strip())


def equals_version(warehouse: Warehouse, settings: Settings, run_id: str, digest: str) -> bool:
    """Whether the kept version of a run exists, holds that run, and has this digest."""
    if not is_run_id(run_id):
        return False
    kept = version_table(settings, run_id)
    if not warehouse.exists(kept):
        return False
    state = describe(warehouse, kept)
    return (state.run_id, state.digest) == (run_id, digest)


def require_moment(at: dt.datetime) -> None:
    """The moment of a publish is given, with its zone.

    Raises:
        WarehouseError: `at` has no time zone.
    """
    if at.tzinfo is None:
        raise WarehouseError(f"published_at {at} has no time zone; give it in UTC")
