"""The steps that publishing and rolling back share: keep a version, go live, clear away, refuse.

What belongs here: single steps, each safe to repeat after a crash. What does not: their order (publisher.py).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import replace

from gnn_core.config import Settings
from gnn_core.errors import PublishRefused, WarehouseError
from gnn_core.io.sql import load_sql
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.audit import Verdict
from gnn_core.publishing.digest import table_digest
from gnn_core.publishing.schema import live_table, paths_view, version_table, wide_view
from gnn_core.publishing.state import LiveState, describe, equals_version, history, read_ledger, record

log = logging.getLogger(__name__)


def keep_version(
    warehouse: Warehouse, staging: TableName, run_id: str, digest: str, settings: Settings, before: LiveState | None
) -> TableName:
    """The immutable copy of a run's audited rows, made now or by an earlier attempt.

    Raises:
        PublishRefused: the run id was published with other rows, its table name belongs to another run, or the staging
            table has changed since `digest` was taken.
    """
    version = version_table(settings, run_id)
    published = [e for e in read_ledger(warehouse, settings) if e.version == str(version)]
    other = next((e for e in published if (e.run_id, e.digest) != (run_id, digest)), None)
    if other is not None:
        reason = (
            f"new_run_id: {version} was published as run {other.run_id} with digest {other.digest}; "
            f"run {run_id} has digest {digest}. Stage under a run id of its own"
        )
        raise refusal(staging, [reason], before)
    if equals_version(warehouse, settings, run_id, digest):
        return version
    warehouse.move(staging, version)
    copied = table_digest(warehouse, version)
    if copied != digest:
        warehouse.drop(version)
        reason = f"unchanged_rows: {staging} had digest {digest} when it was audited and {copied} when it was copied"
        raise refusal(staging, [reason], before)
    return version


def go_live(
    warehouse: Warehouse,
    version: TableName,
    settings: Settings,
    action: str,
    expected: tuple[str, str],
    before: LiveState | None,
    *,
    at: dt.datetime,
    staging: str,
    note: str = "",
) -> tuple[LiveState, bool]:
    """Move a kept version to the live table unless it stands there, then view and ledger; state, and whether it moved.

    Args:
        expected: run id and digest that the live table must have afterwards.
        before: what stood there before.
    Raises:
        WarehouseError: the live table is not what was moved.
    """
    live = live_table(settings)
    moved = before is None or (before.run_id, before.digest) != expected
    if moved:
        warehouse.move(version, live)
    state = describe(warehouse, live) if before is None or moved else before
    if (state.run_id, state.digest) != expected:
        raise WarehouseError(
            f"{live} holds {state} after {version} (run {expected[0]}, digest {expected[1]}) was moved there: somebody "
            f"else writes to it. Stop other writers, then publish again or roll back"
        )
    warehouse.create_view(wide_view(settings), load_sql("publishing/recommendations_wide"), tables={"live": live})
    warehouse.create_view(paths_view(settings), load_sql("publishing/recommendation_paths"), tables={"live": live})
    entries = read_ledger(warehouse, settings)
    if not entries or (entries[-1].run_id, entries[-1].digest) != expected:
        record(warehouse, settings, action, state, at=at, staging=staging, note=note)
    log.info("%s: %s is live in %s", action, state, live)
    return replace(state, recorded=True), moved


def drop_old_versions(warehouse: Warehouse, settings: Settings) -> tuple[str, ...]:
    """Keep the last `publish.keep_versions` good versions; drop older ones with the staging tables they came from.

    What was rolled back from, or never became live, is not a good version. Staging tables that were refused stay: they
    are evidence.
    """
    entries = read_ledger(warehouse, settings)
    kept = {entry.version for entry in history(entries)[-settings.publish.keep_versions :]}
    live = live_table(settings)
    names = warehouse.list_tables(live.dataset, f"{live.table}__v_")
    dropped = [t for t in (TableName(live.dataset, name) for name in names) if str(t) not in kept]
    for table in dropped:
        for staging in {e.staging for e in entries if e.version == str(table)}:
            warehouse.drop(TableName.parse(staging))
        warehouse.drop(table)
    return tuple(str(table) for table in dropped)


def reasons_of(verdicts: Sequence[Verdict]) -> list[str]:
    """One line a failed rule: its name, what does not hold, how many, and examples."""
    return [
        f"{v.rule}: it does not hold that: {v.sentence} {v.n_bad:,} bad"
        + (f", such as {[dict(example) for example in v.examples]}" if v.examples else "")
        for v in verdicts
        if v.judged and not v.passed
    ]


def refusal(table: TableName, reasons: Sequence[str], before: LiveState | None) -> PublishRefused:
    """The error that lists every reason and what the live table still holds."""
    holds = "Nothing was ever published." if before is None else f"{before.table} still holds {before}."
    lines = "\n  ".join(reasons)
    return PublishRefused(f"{table} does not go live, {len(reasons)} rule(s) fail:\n  {lines}\n{holds}")
