"""One look: runs that changed → alerts → outbox → channels. What the sensor does, and `gnn alerts` by hand.

What belongs here: the order of these steps, and where the outbox lies. Every step is kept before the next, so that a
process that dies in between loses nothing: at worst an alert comes twice.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from gnn_assets.alerts.alert import ERROR, Alert
from gnn_assets.alerts.channels import channels as open_channels
from gnn_assets.alerts.findings import HANDBOOK, Findings, findings_of
from gnn_assets.alerts.outbox import Channel, Outbox
from gnn_assets.alerts.published import what_is_published
from gnn_assets.environment import Environment
from gnn_core.config import AlertSettings

log = logging.getLogger(__name__)
DOCUMENT = "alerts/outbox.json"
GOING = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


@dataclass(frozen=True)
class Look:
    """What one look did."""

    runs: int
    taken: int
    """Messages that are new."""
    delivered: int
    waiting: int

    def __str__(self) -> str:
        said = f"{self.runs} run(s) looked at, {self.taken} new alert(s), {self.delivered} delivered"
        return said + (f", {self.waiting} waiting for a channel" if self.waiting else "")


def open_outbox(where: Environment) -> Outbox:
    """The outbox as it was last kept."""
    settings = where.settings()
    return Outbox(where.documents(settings).read(DOCUMENT), settings.alerts)


def look_and_post(
    where: Environment,
    instance: DagsterInstance,
    graph: BaseAssetGraph,
    now: dt.datetime,
    channels: Mapping[str, Channel] | None = None,
) -> Look:
    """Read every run that changed since the last look, and tell what has to be told.

    Args:
        now: UTC.
        channels: instead of those of the settings (tests).
    """
    settings = where.settings()
    documents = where.documents(settings)
    outbox = Outbox(documents.read(DOCUMENT), settings.alerts)
    held: list[str] = []

    def published() -> str:
        if not held:
            held.append(what_is_published(where, instance))
        return held[0]

    def keep() -> None:
        documents.write(DOCUMENT, outbox.as_json())

    before = {message["id"] for message in outbox.messages}
    handled: dict[str, str] = outbox.position.get("runs", {})
    records = _changed(instance, outbox, settings.alerts, now)
    for record in records:
        _take(outbox, _findings(instance, record, graph, settings.alerts, published), record, now)
        handled[record.dagster_run.run_id] = record.update_timestamp.isoformat()
    newest = max([r.update_timestamp for r in records], default=_until(outbox, settings.alerts, now))
    until = max(newest, _until(outbox, settings.alerts, now))
    outbox.position = {
        "until": until.isoformat(),
        "runs": {run: at for run, at in handled.items() if at >= (until - _overlap(settings.alerts)).isoformat()},
    }
    outbox.remind(now)
    outbox.forget(now)
    keep()
    taken = sum(message["id"] not in before for message in outbox.messages)
    opened = open_channels(settings.alerts, where.secret) if channels is None else channels
    delivered = outbox.deliver(opened, now, keep)
    return Look(len(records), taken, delivered, len(outbox.waiting))


def _changed(instance: DagsterInstance, outbox: Outbox, settings: AlertSettings, now: dt.datetime) -> list[RunRecord]:
    """Runs that go on, and runs whose status changed since the last look; oldest change first."""
    since = _until(outbox, settings, now) - _overlap(settings)
    going = instance.get_run_records(RunsFilter(statuses=GOING))
    changed = instance.get_run_records(RunsFilter(updated_after=since))
    known = outbox.position.get("runs", {})
    news = [r for r in changed if known.get(r.dagster_run.run_id) != r.update_timestamp.isoformat()]
    found = {record.dagster_run.run_id: record for record in (*news, *going)}
    return sorted(found.values(), key=lambda record: record.update_timestamp)


def _until(outbox: Outbox, settings: AlertSettings, now: dt.datetime) -> dt.datetime:
    """The newest change that was looked at; on the first look, a while ago."""
    if "until" in outbox.position:
        return dt.datetime.fromisoformat(outbox.position["until"])
    return now - dt.timedelta(hours=settings.first_look_hours)


def _overlap(settings: AlertSettings) -> dt.timedelta:
    return dt.timedelta(minutes=settings.overlap_minutes)


def _findings(
    instance: DagsterInstance,
    record: RunRecord,
    graph: BaseAssetGraph,
    settings: AlertSettings,
    published: Callable[[], str],
) -> Findings:
    """Findings of a run. A run whose log cannot be read is itself told, since it would silence all later ones."""
    run = record.dagster_run
    try:
        return findings_of(instance, run, graph, settings, published)
    except Exception as error:
        log.exception("run %s could not be read for alerts", run.run_id)
        alert = Alert(
            subject=f"unreadable:{run.job_name}",
            occasion=run.run_id,
            at=record.update_timestamp.isoformat(),
            severity=ERROR,
            title=f"Run {run.run_id[:8]} could not be read",
            found=f"Its alerts could not be put into words ({type(error).__name__}). Look at the run itself.",
            facts=(("Job", run.job_name), ("What to do", f"{HANDBOOK}, a run that cannot be read")),
            examples="",
            link=f"{settings.base_url.rstrip('/')}/runs/{run.run_id}",
        )
        return Findings((alert,), ())


def _take(outbox: Outbox, found: Findings, record: RunRecord, now: dt.datetime) -> None:
    for alert in sorted(found.alerts, key=lambda a: a.at):
        outbox.take(alert, now)
    for well in found.well:
        outbox.resolve(well.subject, well.scope, well.at, record.dagster_run.run_id, well.found, now)
