"""Which policy a week promotes: what its own gate 1 says, or, while an experiment runs, what the experiment began with.

What belongs here: keeping a policy from week to week, and telling where it was not kept. What does not: the decision
from one verdict (gnn_core/evaluation/promotion.py), the fit (fitting.py), who is served it (serving_arms.py).

An experiment reads one policy against SQL. Were the promoted policy decided anew each week, a treatment could be served
another one, or SQL, half of the time, and its effect would be read as the policy's. So only harm, which ends the
experiment, or the audit, which leaves the old table, may take it away.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gnn_assets.partitions import WEEK, as_of
from gnn_assets.resources import Week
from gnn_core.errors import ArtifactError
from gnn_core.evaluation.gate import GateVerdict
from gnn_core.evaluation.names import phrase
from gnn_core.evaluation.promotion import Decision, decide
from gnn_core.evaluation.selection import Selection
from gnn_core.experiment.serving_arms import is_running
from gnn_core.io.artifacts import Artifact, ArtifactStore

EXPERIMENT = "experiment.json"
"""Of promoted_model, while an experiment runs: the week's own decision, and why the start's could not be kept."""
ASSIGNED = "assigned"
"""State of treatment_assignments in the week that starts an experiment."""


@dataclass(frozen=True)
class Promotion:
    """What is promoted this week, and how it came about."""

    decision: Decision
    selection: Selection
    """Behind the decision: its SQL version, α and strengths are what is served."""
    own: Decision
    """What the week's own gate 1 says; the decision itself where no experiment runs."""
    not_kept: str = ""
    """Why a running experiment's policy could not be kept."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name, for EXPERIMENT."""
        return {"own": self.own.as_json(), "not_kept": self.not_kept}


def promotion_of(week: Week) -> Promotion:
    """Read gate 1's verdict as data, unless a running experiment has its policy already.

    Raises:
        ArtifactError: the week was not judged.
    """
    judged = week.read("eval_report").json("report.json")
    selection = Selection.from_json(judged["selection"])
    own = decide(selection, GateVerdict.from_json(judged["decision"]))
    start = _start_of_running(week)
    if start is None:
        return Promotion(own, selection, own)
    key = (start - WEEK).isoformat()
    name = f"experiment {week.settings.experiment.name} since {start}"
    try:
        if week.key == key and not _assigned(week.store, key):
            return Promotion(own, selection, own)
        first = week.store.read(key, "promoted_model")
        kept, chosen = (
            Decision.from_json(first.json("decision.json")),
            Selection.from_json(first.json("selection.json")),
        )
    except ArtifactError as error:
        decision = dataclasses.replace(own, reason=f"{own.reason} Not what {name} began with: {error}")
        return Promotion(decision, selection, own, str(error))
    words = f"Kept for {name}: {_words(served(first))} goes on. By itself this week's gate 1 would say: {own.reason}"
    return Promotion(dataclasses.replace(kept, reason=words), chosen, own)


def served(promoted: Artifact) -> dict[str, Any]:
    """What the promoted_model of a week has the treatment served, as treatment_assignments keeps it."""
    decision = promoted.json("decision.json")
    found = {name: decision[name] for name in ("policy", "promoted", "alpha")}
    found["baseline"] = promoted.json("selection.json")["baseline"]
    if EXPERIMENT in promoted.manifest.files:
        found["not_kept"] = promoted.json(EXPERIMENT)["not_kept"]
    return found


def why_diluted(week: Week) -> list[str]:
    """Why the treatment was not served one policy through the experiment's weeks so far, each a phrase.

    A week that was not made left the table of the week before, and is no reason.
    """
    start = week.settings.experiment.start
    assert start is not None
    try:
        first = _served_in(week.store, (start - WEEK).isoformat(), at_start=True)
    except ArtifactError as error:
        return [f"what the treatment was to be served is not known: {error}"]
    reasons = []
    day = start
    while day <= as_of(week.key) and is_running(week.settings.experiment, day):
        key, day = (day - WEEK).isoformat(), day + WEEK
        if not week.store.exists(key, "treatment_assignments"):
            continue
        since = f"from {as_of(key)} on"
        try:
            now = _served_in(week.store, key)
        except ArtifactError as error:
            reasons.append(f"what the treatment was served {since} is not known: {error}")
            continue
        if _policy(now) != _policy(first):
            reasons.append(f"{since} the treatment was served {_words(now)} instead of {_words(first)}")
        elif now["baseline"] != first["baseline"]:
            reasons.append(f"{since} SQL was {phrase(now['baseline'])} instead of {phrase(first['baseline'])}")
        elif now.get("not_kept"):
            reasons.append(f"{since} the policy of the start could not be kept: {now['not_kept']}")
    return reasons


def _start_of_running(week: Week) -> dt.date | None:
    """Start of the experiment that reads the week's table; None when none does."""
    experiment = week.settings.experiment
    return experiment.start if is_running(experiment, as_of(week.key)) else None


def _assigned(store: ArtifactStore, key: str) -> bool:
    """Whether the experiment has begun in this very week, which is then made again."""
    try:
        return bool(store.read(key, "treatment_assignments").json("state.json")["state"] == ASSIGNED)
    except ArtifactError:
        # None yet, or of another experiment: its settings are others.
        return False


def _served_in(store: ArtifactStore, key: str, *, at_start: bool = False) -> Mapping[str, Any]:
    """What the treatment was served; at the start what it was to be served, whatever a later run of the week did."""
    state = store.read(key, "treatment_assignments").json("state.json")
    found = state if at_start and "alpha" in state else state.get("served")
    # An older version recorded nothing: the model itself tells, where the settings still let it be read.
    return found or served(store.read(key, "promoted_model"))


def _policy(what: Mapping[str, Any]) -> tuple[str, bool, float | None]:
    return what["policy"], what["promoted"], what["alpha"]


def _words(what: Mapping[str, Any]) -> str:
    at = "" if what["alpha"] is None else f" at α = {what['alpha']:g}"
    return phrase(what["policy"]) + at
