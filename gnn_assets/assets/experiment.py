"""treatment_assignments, experiment_readout: who is in which arm, and what came of it."""

import datetime as dt
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from gnn_assets import metadata, partitions
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.promotion import ASSIGNED, served, why_diluted
from gnn_assets.resources import RAW, Platform, Week
from gnn_core.errors import ArtifactError, DataError
from gnn_core.experiment.assigning import (
    Kept,
    assignments_table,
    base_rate,
    keep_assignments,
    plan_from_history,
    read_assignments,
    reasons_against,
)
from gnn_core.experiment.assignment import CONTROL, TREATMENT, assignment_rows
from gnn_core.experiment.engagement import Window, count_outcomes
from gnn_core.experiment.power import Plan
from gnn_core.experiment.readout import Readout, Unsubscribes, read_experiment
from gnn_core.experiment.serving_arms import is_running
from gnn_core.io.artifacts import json_bytes
from gnn_core.io.warehouse import TableName
from gnn_core.program.experiment_page import render_experiment
from gnn_core.scoring.tiers import engagement_tiers

NONE_PLANNED = "no experiment is planned (experiment.start is null)"


def experiment_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """treatment_assignments, experiment_readout."""

    @dg.asset(
        partitions_def=weekly,
        group_name="experiment",
        deps=["recommendation_candidates", "promoted_model"],
        kinds={"sql", "table"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def treatment_assignments(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Arm and eligibility of every user, written once at the start of the experiment, with the plan's power.

        Late data that have the week made again change neither. Other weeks say why there is nothing to assign.
        """
        week = platform.week(context)
        state = assignment_state(week)
        if state is not None:
            content: dict[str, Any] = {"state": state}
            if is_running(week.settings.experiment, partitions.as_of(week.key)):
                content["served"] = served(week.read("promoted_model"))
            artifact = week.write("treatment_assignments", {"state.json": json_bytes(content)})
            return dg.MaterializeResult(metadata={"state": state, **metadata.artifact(artifact)})
        candidates = week.read("recommendation_candidates")
        staged = candidates.json("staged.json")
        snapshot = week.snapshot()
        found = week.warehouse.query(
            "SELECT DISTINCT user_id FROM {t} ORDER BY user_id",
            tables={"t": TableName.parse(staged["table"])},
            label="served users",
        )
        served_U = np.isin(snapshot.user_ids.astype(str), found["user_id"].to_numpy(zero_copy_only=False).astype(str))
        rows = assignment_rows(
            snapshot.user_ids,
            why_not_U=reasons_against(snapshot.user_ids, served_U, snapshot.consent_U),
            tier_U=engagement_tiers(snapshot),
            consent_U=snapshot.consent_U,
            settings=week.settings.experiment,
            assigned_at=as_of_moment(week),
            run_id=context.run.run_id,
        )
        kept = keep_assignments(week.publisher, week.settings, rows)
        assigned_state, plan = first_plan(week, kept)
        context.log.info(kept.sentence)
        now = served(week.read("promoted_model"))
        artifact = week.write(
            "treatment_assignments",
            {"state.json": json_bytes(assigned_state | {"served": now}), "plan.json": json_bytes(plan.as_json())},
            inputs=[candidates],
            sections=("experiment",),
        )
        assigned = kept.rows
        why_not = {str(why): int(users) for why, users in assigned["why_not"].value_counts().items()}
        by_arm = assigned.groupby(["arm", "eligible"], as_index=False).size()
        return dg.MaterializeResult(
            metadata={
                "state": kept.sentence,
                "new": kept.new,
                "gone": kept.gone,
                "differ_in_eligibility": kept.differ,
                "table": str(assignments_table(week.settings)),
                "dagster/row_count": len(assigned),
                "users": metadata.rows(by_arm),
                "left_out": metadata.counts(why_not, "reason", "users"),
                "plan": plan.reason,
                "power": plan.power,
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="experiment",
        deps=["treatment_assignments", *RAW],
        kinds={"python"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def experiment_readout(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Clickers per assigned user by arm and tier, with intervals, daily looks, guardrails, and gate 2's answer."""
        week = platform.week(context)
        state = readout_state(week)
        if state is not None:
            nothing = {"state": state}
            files = {"readout.json": json_bytes(nothing), "readout.html": _readout_page(week, nothing)}
            artifact = week.write("experiment_readout", files)
            return dg.MaterializeResult(metadata={"state": state, **metadata.artifact(artifact)})
        readout, plan = read_week(week)
        content: dict[str, Any] = {
            "state": "read",
            "experiment": week.settings.experiment.name,
            "as_of": str(partitions.as_of(week.key)),
            "plan": plan.as_json(),
            **readout.as_json(),
        }
        files = {"readout.json": json_bytes(content), "readout.html": _readout_page(week, content)}
        artifact = week.write("experiment_readout", files, sections=("experiment",))
        return dg.MaterializeResult(
            metadata={
                "gate_2": f"{readout.verdict.verdict}: {readout.verdict.reason}",
                "ratio": readout.ratio.sentence,
                "metrics": metadata.rows(metrics_frame(readout)),
                "looks": metadata.rows(looks_frame(readout)),
                "page": dg.MetadataValue.path(f"{artifact.path}/readout.html"),
                **{f"{k}_left_out": metadata.counts(v, "what", "rows") for k, v in readout.left_out.items()},
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [treatment_assignments, experiment_readout]


def first_plan(week: Week, kept: Kept) -> tuple[dict[str, Any], Plan]:
    """The state and the plan of the assignment: those of its first run, where late data have the week made again."""
    try:
        # From the store, not by the week: the tables of the week are newer than this artifact, and may be.
        before = None if kept.added else week.store.read(week.key, "treatment_assignments")
    except ArtifactError:
        before = None  # lost, or made with other settings of the experiment: planned anew, for the users of then
    if before is not None and before.json("state.json")["state"] == ASSIGNED:
        return before.json("state.json"), Plan.from_json(before.json("plan.json"))
    frames = week.frames("sends", "engagements")
    base = base_rate(kept.rows, frames["sends"], frames["engagements"], week.settings.experiment)
    state = {"state": ASSIGNED, **served(week.read("promoted_model"))}
    return state, plan_from_history(kept.rows, base, week.settings.experiment)


def _readout_page(week: Week, readout: dict[str, Any]) -> bytes:
    return render_experiment(readout, week.settings.store.name).encode()


def as_of_moment(week: Week) -> dt.datetime:
    """The week's as-of date as a UTC moment."""
    return dt.datetime.combine(partitions.as_of(week.key), dt.time(), tzinfo=dt.UTC)


def assignment_state(week: Week) -> str | None:
    """Why this week assigns nobody; None when the experiment starts at its as-of date."""
    start = week.settings.experiment.start
    if start is None:
        return NONE_PLANNED
    if start != partitions.as_of(week.key):
        return f"experiment {week.settings.experiment.name} starts on {start}, not at this week's as-of date"
    return None


def readout_state(week: Week) -> str | None:
    """Why this week reads nothing; None when there is something to read."""
    settings = week.settings.experiment
    if settings.start is None:
        return NONE_PLANNED
    if partitions.as_of(week.key) <= settings.start:
        return f"experiment {settings.name} starts on {settings.start}: nothing was sent yet"
    return None


def read_week(week: Week) -> tuple[Readout, Plan]:
    """Read the configured experiment as of this week.

    Raises:
        DataError: it was never assigned.
    """
    settings = week.settings.experiment
    assigned = read_assignments(week.warehouse, week.settings)
    start_key = (settings.start - partitions.WEEK).isoformat() if settings.start else ""
    if assigned is None or assigned.empty or not week.store.exists(start_key, "treatment_assignments"):
        raise DataError(
            f"experiment {settings.name} was never assigned: run the weekly job of {start_key}, whose as-of date is "
            "its start, or set experiment.start"
        )
    started = week.store.read(start_key, "treatment_assignments")
    plan, state = Plan.from_json(started.json("plan.json")), started.json("state.json")
    same = f"both arms were served {state['policy']}, since no other policy was promoted at the start"
    frames = week.frames("users", "sends", "engagements", "events")
    window = Window.planned(settings, pd.Timestamp(as_of_moment(week)))
    outcomes = count_outcomes(assigned, frames["sends"], frames["engagements"], frames["events"], window, settings)
    past = Window.history(settings, window.start)
    history = count_outcomes(assigned, frames["sends"], frames["engagements"], None, past, settings, any_arm=True)
    readout = read_experiment(
        outcomes,
        window,
        settings,
        eta=plan.eta,
        history=history,
        unsubscribes=unsubscribes(assigned, outcomes.users, frames["users"]),
        invalid=[*why_diluted(week), *([] if state["promoted"] else [same])],
    )
    return readout, plan


def unsubscribes(assigned: pd.DataFrame, analysed: pd.DataFrame, users: pd.DataFrame) -> Unsubscribes:
    """Users of the analysis who had consented at the start and had not, or were gone, at the reading."""
    consenting = set(assigned.loc[assigned["email_consent"], "user_id"])
    still = set(users.loc[users["email_consent"], "user_id"])
    asked = analysed[analysed["user_id"].isin(consenting)]
    left = ~asked["user_id"].isin(still)
    counted = {arm: (int((left & (asked["arm"] == arm)).sum()), int((asked["arm"] == arm).sum()))
               for arm in (CONTROL, TREATMENT)}  # fmt: skip
    (left_c, n_c), (left_t, n_t) = counted[CONTROL], counted[TREATMENT]
    return Unsubscribes(left_c, left_t, n_c, n_t)


def metrics_frame(readout: Readout) -> pd.DataFrame:
    """The readout's metrics as a small table."""
    return pd.DataFrame(
        [
            {"metric": m.name, "role": m.role, "users": m.tier, "control": m.control, "treatment": m.treatment,
             "lift": m.lift.estimate, "low": m.lift.low, "high": m.lift.high}
            for m in readout.metrics
        ]
    )  # fmt: skip


def looks_frame(readout: Readout) -> pd.DataFrame:
    """The daily looks as a small table."""
    return pd.DataFrame(
        [
            {"day": x.day, "control": x.clickers_control, "treatment": x.clickers_treatment, "lift": x.lift.estimate,
             "low": x.lift.low, "high": x.lift.high, "stops": x.stops or ""}
            for x in readout.looks
        ]
    )  # fmt: skip
