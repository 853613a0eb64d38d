"""Moves, publishes and artifacts of a rollout on the store of ten users, written by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from gnn_assets.assets.serving import publish_staged
from gnn_assets.definitions import build_defs
from gnn_assets.resources import Platform, Week
from gnn_core.contracts import CONTRACTS
from gnn_core.experiment.rollout import START, Move
from gnn_core.experiment.rollout_ledger import append_move
from gnn_core.io.artifacts import json_bytes, parquet_bytes
from gnn_core.monitoring.embeddings import COMPARED
from gnn_core.publishing.digest import table_digest
from tests.core.publishing.world import AT, good_rows, in_arms, load_directly
from tests.fixtures.installation import Installation
from tests.fixtures.ten_users import PROFILE, TEN_USERS


def moment(text: str) -> dt.datetime:
    """A UTC moment."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def move(
    store: Installation, sequence: int, at: str, action: str, before: float, after: float, by: str = "Ada"
) -> Move:
    """Append a move to the ledger."""
    made = Move(sequence, moment(at), action, before, after, by, "by hand")
    append_move(store.warehouse, store.settings, made)
    return made


def started(store: Installation, at: str = "2026-05-18", share: float = 0.25) -> Move:
    """A rollout that was started at this share."""
    return move(store, 1, at, START, 0.0, share)


def plan_experiment(store: Installation, start: str) -> None:
    """Plan a second experiment."""
    store.profile(PROFILE | {"experiment": {"start": start, "name": "second", "salt": "second"}})


def week_of(store: Installation, key: str = TEN_USERS) -> Week:
    """A week of the store, with its contract tables as artifacts where it has none yet."""
    week = Platform.of(store.environment).week(key)
    if not week.store.exists(key, "raw_users"):
        for name, contract in CONTRACTS.items():
            rows = {f"{name}.parquet": parquet_bytes(contract.schema.empty_table())}
            week.store.write(key, f"raw_{name}", rows, sections=("eligibility",))
    return week


def all_guards_green(
    store: Installation, key: str = TEN_USERS, drift_of: str | None = None, breaks: Sequence[str] = ()
) -> None:
    """Make what the guards read green: mails to many users who click alike, and measured drift and coverage.

    Args:
        drift_of: week in which the drift was measured; None = this one.
        breaks: limits that the vectors broke, after all.
    """
    week = week_of(store, key)
    ids = [f"t{n}" for n in range(60_000)]
    sent = moment((dt.date.fromisoformat(key) + dt.timedelta(days=2)).isoformat())
    sends = {"tracking_id": ids, "user_id": [f"u{n}" for n in range(60_000)], "sent_ts": [sent] * len(ids)}
    clicks = {"tracking_id": ids[::20], "kind": ["click"] * len(ids[::20]), "engaged_ts": [sent] * len(ids[::20])}
    for name, columns in (("sends", sends), ("engagements", clicks)):
        names, n = CONTRACTS[name].schema.names, len(columns["tracking_id"])
        empty: dict[str, list[Any]] = {column: [""] * n for column in names}
        rows = pa.table(empty | columns, schema=CONTRACTS[name].schema)
        week.store.write(key, f"raw_{name}", {f"{name}.parquet": parquet_bytes(rows)}, sections=("eligibility",))
    measured = week_of(store, drift_of or key)
    vectors = {"state": COMPARED, "breaks": list(breaks), "changes": [], "reference": "last week's"}
    for name, file, content in (
        ("embedding_drift", "drift.json", vectors),
        ("input_drift", "drift.json", {"worst": {"state": "stable", "sentence": "Inputs are as they were."}}),
        ("serving_metrics", "metrics.json", {"cold_coverage": 0.99, "coverage": 0.99}),
    ):
        measured.write(name, {file: json_bytes(content)})


def decided(store: Installation, key: str = TEN_USERS) -> dict[str, Any]:
    """Run the step rollout_stage of a week by itself; what it wrote."""
    week = week_of(store, key)
    job = build_defs(store.environment).resolve_job_def("weekly")
    result = job.execute_in_process(partition_key=key, asset_selection=[dg.AssetKey("rollout_stage")])
    assert result.success
    return dict(week.store.read(key, "rollout_stage").json("stage.json"))


def stage_says(store: Installation, share: float, *, from_ledger: bool = True, key: str = TEN_USERS) -> None:
    """An artifact rollout_stage, as an earlier run left it."""
    content = {"action": None, "share": share, "reason": "by hand", "sequence": 1, "from_ledger": from_ledger}
    week_of(store, key).write("rollout_stage", {"stage.json": json_bytes(content)})


def stage(
    store: Installation, share: float | None, run_id: str = "r2", key: str = TEN_USERS, experiment: str | None = None
) -> Week:
    """Good lists of a run as the week's candidates, made under a share; the week.

    Args:
        experiment: name and salt of the one that runs, whose arms the lists are of; None = none runs.
    """
    week = week_of(store, key)
    rows = good_rows(run_id)
    if experiment is not None:
        rows = in_arms(rows, name=experiment, salt=experiment)
    table = load_directly(store.warehouse, f"recommendation_candidates__{run_id}", rows)
    digest = table_digest(store.warehouse, table)
    found = {"table": str(table), "digest": digest, "run_id": run_id, "ledger_share": share}
    week.write("recommendation_candidates", {"staged.json": json_bytes(found)})
    return week


def interrupted(store: Installation, share: float | None, monkeypatch: pytest.MonkeyPatch) -> Week:
    """A publish of good lists as run r2 whose process ends after the table has moved, before it is recorded."""
    week = stage(store, share)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gnn_core.publishing.moves.record", killed)
        with pytest.raises(KeyboardInterrupt):
            publish_staged(week, AT)
    live = store.live
    assert live is not None
    assert (live.run_id, live.recorded) == ("r2", False)
    return week
