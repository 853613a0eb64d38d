"""A run of Dagster → what somebody should be told, and what is well again.

What belongs here: reading a run's events, and the words for them. What does not: whether it is sent (outbox.py).

A run that ended because a blocking check was red is told as that check, not a second time as a failed run.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.errors import DagsterAssetCheckFailedError
from dagster._utils.error import SerializableErrorInfo

from gnn_assets.alerts.alert import CRITICAL, ERROR, WARNING, Alert
from gnn_assets.following import LAST_TRY_TAG, MOVE_TAG
from gnn_core.config import AlertSettings

PARTITION_TAG = "dagster/partition"
HANDBOOK = "docs/operations/handbook.md"
LIVE = "recommendations"
"""The asset whose failure leaves the e-mail system with an old table."""
GUARDS = "rollout_stage"
"""The asset that reads the rollout's guards."""
NOT_FOLLOWED = "rollout:not followed"
"""What the last try of a publish under the rollout's share is told as, beside its own failure."""
_LONGEST_WORDS = 600
_READ = {
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.RUN_FAILURE,
}
_BLOCKED = f"{DagsterAssetCheckFailedError.__name__}"


@dataclass(frozen=True)
class Well:
    """Something that passed."""

    subject: str
    scope: str
    at: str
    found: str


@dataclass(frozen=True)
class Findings:
    """What one run says so far."""

    alerts: tuple[Alert, ...]
    well: tuple[Well, ...]


@dataclass(frozen=True)
class _Run:
    """A run and those of its events that are read."""

    run: DagsterRun
    events: tuple[Any, ...]
    graph: BaseAssetGraph
    settings: AlertSettings
    published: Callable[[], str]

    @property
    def week(self) -> str:
        return self.run.tags.get(PARTITION_TAG, "")

    def of(self, kind: DagsterEventType) -> Iterable[tuple[Any, str]]:
        """Events of a kind, and when."""
        for record in self.events:
            entry = record.event_log_entry
            if entry.dagster_event and entry.dagster_event.event_type is kind:
                yield entry.dagster_event, dt.datetime.fromtimestamp(entry.timestamp, dt.UTC).isoformat()

    def planned(self) -> set[dg.AssetKey]:
        return {e.asset_key for e, _ in self.of(DagsterEventType.ASSET_MATERIALIZATION_PLANNED) if e.asset_key}

    def made(self) -> set[dg.AssetKey]:
        return {e.asset_key for e, _ in self.of(DagsterEventType.ASSET_MATERIALIZATION) if e.asset_key}

    def link(self, path: str = "") -> str:
        return f"{self.settings.base_url.rstrip('/')}/{path or f'runs/{self.run.run_id}'}"


def findings_of(
    instance: DagsterInstance,
    run: DagsterRun,
    graph: BaseAssetGraph,
    settings: AlertSettings,
    published: Callable[[], str],
) -> Findings:
    """Red checks and the failure of a run; of a run that goes on, what is known so far.

    Args:
        published: what the live table holds, as words; asked only when there is something to tell.
    """
    records = instance.get_records_for_run(run.run_id, of_type=_READ).records
    seen = _Run(run, tuple(records), graph, settings, published)
    evaluations = {  # the last word on a check counts: a step may have been retried
        e.asset_check_evaluation_data.asset_check_key: (e.asset_check_evaluation_data, at)
        for e, at in seen.of(DagsterEventType.ASSET_CHECK_EVALUATION)
    }
    alerts = [_of_check(seen, e, at) for e, at in evaluations.values() if not e.passed]
    well = [
        Well(_check_subject(e), seen.week, at, f"{_name(e)} passes again.")
        for e, at in evaluations.values()
        if e.passed and _resolves(e)
    ]
    if run.status is DagsterRunStatus.FAILURE:
        alerts += _of_failure(seen)
    if run.status is DagsterRunStatus.SUCCESS:
        end = seen.events[-1].event_log_entry.timestamp if seen.events else run_end(instance, run)
        at = dt.datetime.fromtimestamp(end, dt.UTC).isoformat()
        steps = {key.to_user_string() for key in seen.made()}
        well += [Well(f"run:{run.job_name}:{step}", seen.week, at, "The step went through.") for step in steps]
        well.append(Well(f"run:{run.job_name}:", seen.week, at, "The job went through."))
        if LIVE in steps:
            well.append(Well(NOT_FOLLOWED, "", at, "A table was published."))
    return Findings(tuple(alerts), tuple(well))


def run_end(instance: DagsterInstance, run: DagsterRun) -> float:
    """When a run ended, in seconds since 1970."""
    stats = instance.get_run_stats(run.run_id)
    return float(stats.end_time or stats.start_time or 0)


def _of_check(seen: _Run, e: dg.AssetCheckEvaluation, at: str) -> Alert:
    name = _name(e)
    red = e.severity is dg.AssetCheckSeverity.ERROR
    urgent = red and (bool(e.blocking) or e.check_name in seen.settings.urgent_checks)
    values = {key: value.value for key, value in e.metadata.items()}
    rows = values.get("offenders", values.get("rows"))
    examples = e.metadata.get("examples", e.metadata.get("violations"))
    facts = [("Check", name), ("Week", seen.week or str(values.get("week", "")))]
    if rows is not None:
        facts.append(("Rows", f"{rows:,} offend" if "offenders" in values else f"{rows:,} in the table"))
    facts += [
        ("Blocked", _blocked(seen, e.asset_key) if e.blocking and red else "nothing: this check informs"),
        ("The table still holds", seen.published()),
        ("What to do", f"{HANDBOOK}, {e.check_name}"),
        ("Run", f"{seen.run.job_name} {seen.run.run_id[:8]}"),
    ]
    return Alert(
        subject=_check_subject(e),
        occasion=seen.run.run_id,
        at=at,
        severity=CRITICAL if urgent else ERROR if red else WARNING,
        title=str(values.get("headline") or (f"{name} is red" if red else f"{name} warns")),
        found=_cut(e.description or "The check did not pass."),
        facts=tuple((label, str(value)) for label, value in facts if value),
        examples=_plain(examples),
        link=seen.link(f"assets/{'/'.join(e.asset_key.path)}?view=checks&checkDetail={e.check_name}"),
        scope=seen.week,
    )


def _of_failure(seen: _Run) -> list[Alert]:
    planned, made = seen.planned(), seen.made()
    lost = ", ".join(sorted(k.to_user_string() for k in planned - made)) or "nothing"
    steps = [(e.step_key, e.step_failure_data.error, at) for e, at in seen.of(DagsterEventType.STEP_FAILURE)]
    told = [(step, error, at) for step, error, at in steps if not _is_blocked(error)]
    last = [_of_last_try(seen)] if LAST_TRY_TAG in seen.run.tags else []
    if steps and not told:
        return last
    if not steps:
        ends = list(seen.of(DagsterEventType.RUN_FAILURE))
        words = ends[-1][0].message if ends and ends[-1][0].message else "the process ended without a word"
        at = ends[-1][1] if ends else dt.datetime.fromtimestamp(0, dt.UTC).isoformat()
        told = [("", SerializableErrorInfo(str(words), [], None), at)]
    severity = CRITICAL if dg.AssetKey(LIVE) in planned - made else ERROR
    return [
        *last,
        *(
            Alert(
                subject=f"run:{seen.run.job_name}:{step or ''}",
                occasion=seen.run.run_id,
                at=at,
                severity=severity,
                title=f"{_job(seen.run)} failed" + (f" at {step}" if step else ""),
                found=_cut(_words(error)),
                facts=tuple(
                    (label, value)
                    for label, value in (
                        ("Job", _job(seen.run)),
                        ("Step", step or "none: the run itself"),
                        ("Week", seen.week),
                        ("Not made", _cut(lost)),
                        ("The table still holds", seen.published()),
                        ("What to do", f"{HANDBOOK}, a failed run"),
                        ("Run", seen.run.run_id[:8]),
                    )
                    if value
                ),
                examples="",
                link=seen.link(),
                scope=seen.week,
            )
            for step, error, at in told
        ),
    ]


def _of_last_try(seen: _Run) -> Alert:
    """Of a run that was the last to be started by itself: from here on nothing happens without a person."""
    at = dt.datetime.fromtimestamp(seen.events[-1].event_log_entry.timestamp if seen.events else 0, dt.UTC)
    facts = (
        ("Rollout", f"move {seen.run.tags.get(MOVE_TAG, 'unknown')} of its ledger"),
        ("Week", seen.week),
        ("The table still holds", seen.published()),
        ("What to do", f"{HANDBOOK}, the table does not follow the rollout"),
        ("Run", seen.run.run_id[:8]),
    )
    return Alert(
        subject=NOT_FOLLOWED,
        occasion=seen.run.run_id,
        at=at.isoformat(),
        severity=CRITICAL,
        title="The table does not follow the rollout",
        found="The publish under the rollout's present share has failed for the last time that it is tried by itself.",
        facts=tuple((label, value) for label, value in facts if value),
        examples="",
        link=seen.link(),
    )


def _blocked(seen: _Run, checked: dg.AssetKey) -> str:
    """Assets of the run that wait behind a blocking check."""
    below: set[dg.AssetKey] = set()
    front = {checked}
    while front:
        front = {child for key in front for child in seen.graph.get(key).child_keys} - below - {checked}
        below |= front
    names = sorted(key.to_user_string() for key in below & seen.planned())
    if not names:
        return "nothing in this run; the publisher asks the same rules again, and refuses"
    # What a reader looks for comes first: an old table, and a rollout that nothing watches meanwhile.
    first = [name for name in (LIVE, GUARDS) if name in names]
    names = [*first, *(n for n in names if n not in first)]
    words = [f"{n} (the rollout's guards are not read)" if n == GUARDS else n for n in names[:6]]
    return ", ".join(words) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _is_blocked(error: SerializableErrorInfo | None) -> bool:
    """Whether a step ended because a blocking check was red."""
    while error is not None:
        if error.cls_name == _BLOCKED:
            return True
        error = error.cause
    return False


def _words(error: SerializableErrorInfo | None) -> str:
    """The innermost error, without the lists of examples that may name persons, and without addresses."""
    if error is None:
        return "no error was recorded"
    while error.cause is not None:
        error = error.cause
    text = error.message.strip()
    if error.cls_name != "PublishRefused":  # which hashes its examples
        text = re.sub(r"such as \[.*?\](?=\W|$)", "such as (see the run)", text, flags=re.DOTALL)
    return re.sub(r"[\w.+-]+@[\w-]+\.[\w.-]+", "(an e-mail address)", text)


def _plain(value: dg.MetadataValue | None) -> str:
    """A Markdown table as lines of text."""
    text = str(value.value) if value is not None else ""
    if text == "no rows":
        return ""
    return "\n".join(line for line in text.splitlines() if not re.fullmatch(r"[|\s-]+", line))


def _job(run: DagsterRun) -> str:
    return "A run launched by hand" if run.job_name.startswith("__") else f"Job {run.job_name}"


def _name(e: dg.AssetCheckEvaluation) -> str:
    return f"{e.asset_key.to_user_string()} · {e.check_name}"


def _resolves(e: dg.AssetCheckEvaluation) -> bool:
    """A pass that only means "nothing new" says so in its metadata."""
    stated = e.metadata.get("resolves")
    return stated is None or bool(stated.value)


def _check_subject(e: dg.AssetCheckEvaluation) -> str:
    return f"check:{e.asset_key.to_user_string()}:{e.check_name}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_WORDS else text[: _LONGEST_WORDS - 1] + "…"
