"""Stage, publish, roll back: the live table changes by one atomic move, or not at all.

What belongs here: the order of steps, so that a crash between any two of them leaves the old table whole or the new one
whole. What does not: the steps (moves.py), the rules (audit.py), the ledger (state.py).

publish   digest of staging → audit of staging → copy to serving.<table>__v_<run> → its digest is the audited one
          → the caller's last look → move of the copy to the live table → digest of the live table → wide view → ledger
          → drop old versions.
The kept copy is what moves, not the staging table: nobody can change the rows between the audit and the move, and a
run id, once published, means the same rows for ever. Every step may be repeated, so a second publish completes a
broken one.

rollback  the version to return to → its digest is the ledger's → structural rules → the same move, view and ledger.
A version passed the whole audit in its own week, and its digest proves that it still is what passed. Its prices and
purchases have aged since; holding it to today's catalogue would shut the emergency exit whenever a price changed. So a
rollback asks only what makes a list unusable in any week: schema, nulls, runs, slots, duplicates, NaN, order, closed
sets.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from gnn_core.config import Settings
from gnn_core.errors import ContractError, PublishRefused, TableNotFoundError, WarehouseError
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.audit import Verdict, audit, audit_structure, totals
from gnn_core.publishing.digest import table_digest
from gnn_core.publishing.moves import drop_old_versions, go_live, keep_version, reasons_of, refusal
from gnn_core.publishing.schema import DECLARED_TYPES, conform_rows, live_table, staging_table
from gnn_core.publishing.state import (
    PUBLISH,
    ROLLBACK,
    UNREADABLE,
    LedgerEntry,
    LiveState,
    history,
    live_state,
    read_ledger,
    repair_ledger,
    require_moment,
)
from gnn_core.stores.week import WeekTables

__all__ = ["PublishResult", "live_state", "publish", "rollback", "stage"]


@dataclass(frozen=True)
class PublishResult:
    """What is live now, and what was done for it."""

    action: str
    state: LiveState
    moved: bool
    """False when this very version was live already."""
    verdicts: tuple[Verdict, ...]
    dropped: tuple[str, ...]
    """Old versions that were removed."""


def stage(warehouse: Warehouse, rows: pa.Table, run_id: str, settings: Settings) -> TableName:
    """Write the candidates of a run to `work.<staging_prefix>__<run id>`, replacing an earlier attempt of that run.

    Raises:
        ContractError: columns are not as declared (see schema.py), or a row names another run.
    """
    declared = conform_rows(rows)
    others = [r for r in pc.unique(declared["run_id"]).to_pylist() if r != run_id]
    if others:
        raise ContractError(f"recommendations of run {run_id} hold rows of run(s) {others[:3]}")
    target = staging_table(settings, run_id)
    warehouse.ensure_dataset(target.dataset)
    warehouse.load(target, declared, layout=settings.layouts.recommendations)
    return target


def publish(
    warehouse: Warehouse,
    staging: TableName,
    week: WeekTables,
    settings: Settings,
    *,
    expected_digest: str | None,
    at: dt.datetime,
    note: str = "",
    last_look: Callable[[], None] = lambda: None,
) -> PublishResult:
    """Audit the staging table again, here and now, and move it to the live table if every rule holds.

    Args:
        week: names of the contract tables against which the rows are judged.
        expected_digest: what the caller saw when it staged; None when it has none.
        at: when this publish happens, with a time zone; written to the ledger.
        note: written to the ledger beside it.
        last_look: called once everything is ready to move; raises PublishRefused where it may not move any more. The
            audit and the copy before it take minutes on a large table, in which a person may have decided otherwise.
    Raises:
        PublishRefused: a rule fails, the digest is not the expected one, the run id was published with other rows, or
            the last look forbids it. The live table has not moved.
        WarehouseError: a step failed; the live table is whole, old or new, and publishing again completes the work.
    """
    require_moment(at)
    if not warehouse.exists(staging):
        raise TableNotFoundError(f"{staging} does not exist; stage the candidates first")
    warehouse.ensure_dataset(settings.warehouse.serving_dataset)
    before = live_state(warehouse, settings)
    if before is not None and before.run_id == UNREADABLE:
        raise WarehouseError(f"{before.table} has other columns than declared: roll back to a kept version first")
    digest, verdicts = _examine(warehouse, staging, week, settings)
    reasons = reasons_of(verdicts)
    if digest is not None and expected_digest not in (None, digest):
        reasons.append(f"expected_digest: {staging} has digest {digest}, expected was {expected_digest}")
    if reasons or digest is None:
        raise refusal(staging, reasons, before)
    run_id = str(totals(warehouse, staging).first_run)
    if before is None or before.run_id != run_id:
        repair_ledger(warehouse, settings, before, at=at)
    version = keep_version(warehouse, staging, run_id, digest, settings, before)
    expected = (run_id, digest)
    last_look()
    state, moved = go_live(
        warehouse, version, settings, PUBLISH, expected, before, at=at, staging=str(staging), note=note
    )
    return PublishResult(PUBLISH, state, moved, tuple(verdicts), drop_old_versions(warehouse, settings))


def rollback(warehouse: Warehouse, settings: Settings, *, to_run_id: str | None, at: dt.datetime) -> PublishResult:
    """Make an earlier good version live again, in one move.

    Args:
        to_run_id: the run to return to; None for the good version before the one that is live. Repeating an
            interrupted rollback completes it and goes no further back.
        at: when this happens, with a time zone; written to the ledger.
    Raises:
        PublishRefused: there is no such version, it is not what was published, or its lists are broken in themselves.
            The live table has not moved.
        WarehouseError: a step failed; the live table is whole, old or new, and rolling back again completes the work.
    """
    require_moment(at)
    before = live_state(warehouse, settings)
    entries = read_ledger(warehouse, settings)
    if to_run_id is None:
        target = _previous_good(warehouse, settings, entries, before, at)
    else:
        target = next((e for e in reversed(entries) if e.run_id == to_run_id), None)
    if target is None:
        known = [e.run_id for e in history(entries)]
        wanted = f"run {to_run_id}" if to_run_id else "an earlier good version"
        raise PublishRefused(f"rollback: {wanted} is not in the ledger; good versions, oldest first: {known}")
    if before is None or before.run_id != target.run_id:
        repair_ledger(warehouse, settings, before, at=at)
    version = TableName.parse(target.version)
    if not warehouse.exists(version):
        raise refusal(version, [f"kept_version: {version} was dropped (publish.keep_versions)"], before)
    digest = table_digest(warehouse, version)
    if digest != target.digest:
        raise refusal(version, [f"digest: {version} has {digest}, the ledger says {target.digest}"], before)
    verdicts = audit_structure(warehouse, version, settings, at)
    reasons = reasons_of(verdicts)
    if reasons:
        raise refusal(version, reasons, before)
    expected = (target.run_id, target.digest)
    state, moved = go_live(warehouse, version, settings, ROLLBACK, expected, before, at=at, staging=target.staging)
    return PublishResult(ROLLBACK, state, moved, tuple(verdicts), ())


def _examine(
    warehouse: Warehouse, staging: TableName, week: WeekTables, settings: Settings
) -> tuple[str | None, list[Verdict]]:
    """Digest, then verdicts: rows that change in between are caught when the copy is compared with the digest."""
    declared = list(warehouse.columns(staging).items()) == list(DECLARED_TYPES.items())
    digest = table_digest(warehouse, staging) if declared else None
    return digest, audit(warehouse, staging, week, settings, live_table(settings))


def _previous_good(
    warehouse: Warehouse,
    settings: Settings,
    entries: list[LedgerEntry],
    before: LiveState | None,
    at: dt.datetime,
) -> LedgerEntry | None:
    """Where a rollback without a run id goes."""
    stack = history(entries)
    last = entries[-1] if entries else None
    if last is not None and (last.action, last.published_at) == (ROLLBACK, at):
        return last  # this very rollback, asked for again after its entry was written
    live = None if before is None else before.run_id
    if live == (stack[-1].run_id if stack else None):
        return stack[-2] if len(stack) > 1 else None
    interrupted = next((e for e in stack if e.run_id == live), None)
    if interrupted is not None:
        return interrupted  # an earlier rollback moved the table and wrote no entry
    return stack[-1] if stack else None  # live is gone, made by hand, or an interrupted publish: the last good one
