"""rollout_stage: what share of the users is served the promoted policy, decided before the week's table is made."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
import pandas as pd

from gnn_assets import metadata
from gnn_assets.assets.experiment import as_of_moment
from gnn_assets.interrupted import settled_live_state
from gnn_assets.partitions import as_of
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import RAW, Platform, Week
from gnn_core.experiment.assignment import in_share
from gnn_core.experiment.guards import (
    coverage_guard,
    ctr_guard,
    embedding_guard,
    freshness_guard,
    input_guard,
    qa_guard,
    served_guard,
)
from gnn_core.experiment.rollout import (
    GREEN,
    HOLD,
    NO_DATA,
    Guard,
    Move,
    Stage,
    next_move,
    operate,
    served_share,
    stage_of,
)
from gnn_core.experiment.rollout_ledger import append_move, read_moves, rollout_table
from gnn_core.experiment.serving_arms import governs
from gnn_core.io.artifacts import json_bytes
from gnn_core.publishing.shares import LiveShare, live_share
from gnn_core.publishing.state import read_ledger

AUTO = "auto"
NOT_PUBLISHED = "what the ledger says: no publish put it there"
"""What the guard of quality says of a live table that somebody changed."""


class RolloutMove(dg.Config):
    """For the launchpad: what a person decides. Left as it is, the platform decides by its guards."""

    action: str = AUTO
    """`auto`, or a person's `hold`, `step` or `rollback`."""
    by: str = ""
    """Who decides; needed for all but `auto`."""
    reason: str = ""
    """Why; needed for all but `auto`."""


def rollout_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """rollout_stage."""

    @dg.asset(
        partitions_def=weekly,
        group_name="rollout",
        deps=[*RAW, "embedding_drift", "input_drift"],
        kinds={"table"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def rollout_stage(
        context: dg.AssetExecutionContext, config: RolloutMove, platform: Platform
    ) -> dg.MaterializeResult:
        """The rollout's next move by its guards: step, hold, or back to SQL; or the move that a person names.

        Before `gnn rollout start` there is nothing to move, and serving.hybrid_share holds.
        """
        week = platform.week(context)
        moves = read_moves(week.warehouse, week.settings)
        stage = stage_of(moves)
        guards: list[Guard] = []
        made: Move | None = None
        if config.action != AUTO:
            made = operate(
                moves, config.action, at=as_of_moment(week), by=config.by, reason=config.reason,
                settings=week.settings.rollout,
            )  # fmt: skip
        elif _is_to_decide(week, moves, stage):
            guards, since = read_guards(week, moves)
            made = next_move(moves, guards, as_of_moment(week), week.settings.rollout, served_since=since)
        if made is not None and not _already(moves, made):
            append_move(week.publisher, week.settings, made)
            moves = [*moves, made]
        share = served_share(moves, week.settings.serving.hybrid_share)
        now = stage_of(moves)
        read = [{"name": g.name, "state": g.state, "sentence": g.sentence} for g in guards]
        content: dict[str, object] = {
            "share": share,
            "from_ledger": _governs(week, moves),
            "sequence": moves[-1].sequence if moves else 0,
            "action": made.action if made else None,
            "reason": made.reason if made else _stands(week, moves, share),
            "alerts": bool(made and made.alerts),
            "needs_decision": bool(made and made.needs_decision),
            "rolled_back": now is not None and now.rolled_back,
            "guards": read,
        }
        artifact = week.write("rollout_stage", {"stage.json": json_bytes(content)}, sections=("rollout", "serving"))
        return dg.MaterializeResult(
            metadata={
                "share": share,
                "move": made.action if made else "none",
                "reason": str(content["reason"]),
                "by": made.by if made else "",
                "guards": metadata.rows(pd.DataFrame(read)),
                "ledger": str(rollout_table(week.settings)),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [rollout_stage]


def _governs(week: Week, moves: list[Move]) -> bool:
    return governs(moves, week.settings.experiment, as_of(week.key))


def _is_to_decide(week: Week, moves: list[Move], stage: Stage | None) -> bool:
    """Whether the platform moves by itself: the rollout governs, and nobody has moved after the week's end.

    A week that is made again after a person's move is older than that move, which it must neither fail of nor undo.
    """
    if stage is None or stage.rolled_back or not _governs(week, moves):
        return False
    return stage.since < as_of_moment(week) and max(move.at for move in moves) <= as_of_moment(week)


def _stands(week: Week, moves: list[Move], share: float) -> str:
    """Why nothing was moved."""
    stage = stage_of(moves)
    if stage is None:
        return f"No rollout has started: serving.hybrid_share lets {share:.0%} of the users have a promoted policy."
    if not _governs(week, moves):
        name = week.settings.experiment.name
        return f"Experiment {name} runs and decides who is served; the rollout waits at {stage.share:.0%}."
    if stage.rolled_back:
        return "The rollout was rolled back; only a person starts it again."
    return f"{stage.share:.0%} since {stage.since:%Y-%m-%d}; as of this week there is nothing to decide."


def _already(moves: list[Move], made: Move) -> bool:
    """The same automatic hold at the same moment: a run that is repeated adds no row."""
    last = moves[-1] if moves else None
    return last is not None and made.action == HOLD and (last.at, last.action, last.by, last.reason) == (
        made.at, made.action, made.by, made.reason,
    )  # fmt: skip


def read_guards(week: Week, moves: list[Move]) -> tuple[list[Guard], dt.datetime | None]:
    """Every guard, read as of the week from what was served until then; and since when its stage is served."""
    now = as_of_moment(week)
    stage = stage_of(moves)
    assert stage is not None
    live = settled_live_state(week)
    published = read_ledger(week.warehouse, week.settings)
    serves = live_share(published)
    since = served_since(stage, serves, now, stands_still=week.settings.store.last_week is not None)
    audited = None if live is None else ([] if live.recorded else [NOT_PUBLISHED])
    guards = [
        qa_guard(audited),
        served_guard(stage.share, serves.share if serves else None, since),
        freshness_guard(
            published[-1].published_at if published else None, now, week.settings.rollout.max_staleness_days
        ),
        _of_this_week(week, "embedding_drift", embedding_guard),
        _of_this_week(week, "input_drift", input_guard),
        coverage_guard(_newest(week, "serving_metrics", "metrics.json"), week.settings.monitoring.min_cold_coverage),
        clicks(week, stage, since, now),
    ]
    return guards, since


def served_since(stage: Stage, live: LiveShare | None, now: dt.datetime, *, stands_still: bool) -> dt.datetime | None:
    """When the stage's share went live; None where the live table was made under another, or only after `now`.

    Args:
        stands_still: the store's time does, so that a publish is no moment in it; the stage began with its publish.
    """
    if live is None or live.share != stage.share:
        return None
    since = stage.since if stands_still else max(stage.since, live.since)
    return since if since <= now else None


def _of_this_week(week: Week, name: str, guard: Callable[[Mapping[str, Any] | None], Guard]) -> Guard:
    """A guard of drift: what was measured for an earlier week shows harm, and shows nothing else.

    After a weekly run that failed nobody knows how this week's model and inputs are, and that is no green. A store
    whose time has stopped trains no further week: there the newest measure is that of what is served.
    """
    found = guard(_newest(week, name, "drift.json"))
    current = week.store.exists(week.key, name) or week.settings.store.last_week is not None
    if found.state != GREEN or current:
        return found
    return replace(found, state=NO_DATA, sentence=f"{found.name.capitalize()} was not measured for week {week.key}.")


def _newest(week: Week, name: str, file: str) -> Mapping[str, Any] | None:
    """Content of the newest artifact of this or an earlier week; None when no week has one.

    Raises:
        ArtifactError: it was made with other settings: what it says was measured against other limits.
    """
    keys = [w for w in week.store.weeks() if w <= week.key and week.store.exists(w, name)]
    return week.store.read(keys[-1], name).json(file) if keys else None


def clicks(week: Week, stage: Stage, since: dt.datetime | None, now: dt.datetime) -> Guard:
    """Distinct clickers among the users mailed since the stage was served: those in its share against the others."""
    settings = week.settings
    if since is None:
        return Guard("clicks", NO_DATA, "Clicks cannot be compared: nobody was served this stage yet.")
    frames = week.frames("sends", "engagements")
    sends = frames["sends"]
    sends = sends[(sends["sent_ts"] >= pd.Timestamp(since)) & (sends["sent_ts"] < pd.Timestamp(now))]
    engaged = frames["engagements"]
    engaged = engaged[(engaged["kind"] == "click") & (engaged["engaged_ts"] < pd.Timestamp(now))]
    users = sends["user_id"].drop_duplicates().sort_values().to_numpy(dtype=object)
    experiment = settings.experiment
    held = in_share(users, experiment.holdout_share, experiment.holdout_salt)
    treated = in_share(users, stage.share, settings.serving.share_salt) & ~held
    clicked = set(sends.loc[sends["tracking_id"].isin(engaged["tracking_id"]), "user_id"])
    hits = pd.Series(users).isin(clicked).to_numpy()
    return ctr_guard(
        int(hits[treated].sum()),
        int(treated.sum()),
        int(hits[~treated].sum()),
        int((~treated).sum()),
        margin=settings.rollout.ctr_margin,
        harm=settings.rollout.ctr_harm,
        confidence=experiment.confidence,
    )
