"""What a rollout step asks, each answered green, red, or no data.

What belongs here: from a figure to a guard. What does not: what follows from the guards (rollout.py).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from gnn_core.evaluation.gate import percent, signed_percent
from gnn_core.experiment.intervals import always_valid_lift, mixture_for_reach
from gnn_core.experiment.rollout import GREEN, NO_DATA, RED, Guard
from gnn_core.monitoring.embeddings import COMPARED
from gnn_core.monitoring.inputs import ALARM


def ctr_guard(
    clickers_t: int,
    n_t: int,
    clickers_c: int,
    n_c: int,
    *,
    margin: float,
    harm: float,
    confidence: float,
) -> Guard:
    """Clickers per user of those served the promoted policy, against those served SQL at the same time.

    Red when a loss is shown; green when a loss above the margin is excluded; no data when the sample sees neither. It
    is read at every stage, so its interval holds at all readings at once.

    Args:
        margin: relative loss that green excludes. harm: relative loss that red is to show soonest.
    """
    if min(n_t, n_c) == 0:
        return Guard("clicks", NO_DATA, "Clicks cannot be compared: one of the two groups is empty.")
    # Fixed beforehand: a constant that followed the sample would not hold at all readings at once.
    eta = mixture_for_reach(-math.log1p(-harm), confidence)
    lift = always_valid_lift(clickers_t, n_t, clickers_c, n_c, confidence, eta)
    if lift.low is None or lift.high is None or lift.estimate is None:
        return Guard("clicks", NO_DATA, "Clicks cannot be compared: the interval has no bounds.")
    figures = f"{signed_percent(lift.estimate)} [{signed_percent(lift.low)}, {signed_percent(lift.high)}]"
    if lift.high < 0:
        return Guard("clicks", RED, f"Customers click less than under SQL: {figures}.")
    if lift.low > -margin:
        return Guard("clicks", GREEN, f"A loss of clickers above {percent(margin)} is excluded: {figures}.")
    return Guard("clicks", NO_DATA, f"The sample does not see a loss of {percent(margin)} yet: {figures}.")


def served_guard(share: float, live_share: float | None, since: dt.datetime | None) -> Guard:
    """Whether the stage's share is what the live table serves: no stage goes on that nobody was served.

    Args:
        share: of the stage. live_share: under which the live table was made; None where no ledger says it.
        since: first publish of the stage under its share, as of the reading; None before it.
    """
    if live_share != share or since is None:
        made = "under none that is known" if live_share is None else f"under {live_share:.0%}"
        what = "was made after this as-of date" if live_share == share else f"was made {made}"
        return Guard("served share", NO_DATA, f"The stage of {share:.0%} is not served yet: the live table {what}.")
    return Guard("served share", GREEN, f"The live table serves {share:.0%}, published {since:%Y-%m-%d}.")


def limit_guard(
    name: str, value: float | None, *, at_least: float | None = None, at_most: float | None = None
) -> Guard:
    """A figure against its limits; None is no data."""
    if value is None:
        return Guard(name, NO_DATA, f"{name}: not measured.")
    if at_least is not None and value < at_least:
        return Guard(name, RED, f"{name} is {value:.3g}, below {at_least:.3g}.")
    if at_most is not None and value > at_most:
        return Guard(name, RED, f"{name} is {value:.3g}, above {at_most:.3g}.")
    return Guard(name, GREEN, f"{name} is {value:.3g}.")


def qa_guard(failed_rules: list[str] | None) -> Guard:
    """The audit of the live table; None = it was not audited."""
    if failed_rules is None:
        return Guard("qa", NO_DATA, "The live table was not audited.")
    if failed_rules:
        return Guard("qa", RED, f"The live table breaks {', '.join(failed_rules)}.")
    return Guard("qa", GREEN, "The live table keeps every rule.")


def embedding_guard(drift: Mapping[str, Any] | None) -> Guard:
    """The vectors that are served, from the content of `embedding_drift`; None = it was not measured.

    A score whose parts are weighed otherwise is green, and said: nothing is broken, and clicks have their own guard.
    """
    if drift is None:
        return Guard("embedding drift", NO_DATA, "Embedding drift was not measured.")
    if drift["state"] != COMPARED:
        return Guard("embedding drift", NO_DATA, f"Embedding drift cannot be told: {drift['state']}.")
    if drift["breaks"]:
        return Guard(
            "embedding drift", RED, f"The vectors have drifted: {' '.join((*drift['breaks'], *drift['changes']))}"
        )
    told = " ".join(("", *drift["changes"]))
    return Guard("embedding drift", GREEN, f"The vectors keep their limits, against {drift['reference']}.{told}")


def input_guard(drift: Mapping[str, Any] | None) -> Guard:
    """The inputs of what is served, from the content of `input_drift`; None = it was not measured.

    A warning is green: another population is what makes a model's promise void.
    """
    if drift is None:
        return Guard("input drift", NO_DATA, "Input drift was not measured.")
    worst = drift["worst"]
    if worst is None:
        return Guard("input drift", NO_DATA, "Input drift cannot be told: no input has enough rows.")
    return Guard("input drift", RED if worst["state"] == ALARM else GREEN, str(worst["sentence"]))


def coverage_guard(metrics: Mapping[str, Any] | None, at_least: float) -> Guard:
    """Who has a list, from the content of `serving_metrics`: the cold users, or everyone where nobody is cold."""
    if metrics is None:
        return Guard("coverage", NO_DATA, "Coverage was not measured.")
    cold = metrics["cold_coverage"]
    name, value = ("coverage of all users", metrics["coverage"]) if cold is None else ("cold-start coverage", cold)
    return dataclasses.replace(limit_guard(name, value, at_least=at_least), name="coverage")


def freshness_guard(published_at: dt.datetime | None, now: dt.datetime, max_days: int) -> Guard:
    """Age of the live table."""
    if published_at is None:
        return Guard("freshness", NO_DATA, "Nothing is published.")
    age = (now - published_at) / dt.timedelta(days=1)
    if age < 0:
        # A week of the past, read again, or a store whose time has stopped.
        return Guard("freshness", GREEN, f"The live table was published after this as-of date, {now:%Y-%m-%d}.")
    return dataclasses.replace(limit_guard("age of the live table in days", age, at_most=max_days), name="freshness")
