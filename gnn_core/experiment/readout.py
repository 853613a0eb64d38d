"""The experiment, read: every metric by arm and tier, the daily looks, and gate 2's answer.

What belongs here: which metric is judged, which is described, and how each is compared. What does not: which rows count
(engagement.py), the arithmetic of an interval (intervals.py), the verdict's rule (gate2.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.config import ExperimentSettings
from gnn_core.errors import ContractError
from gnn_core.evaluation.lift_rule import HARM, TOO_SMALL
from gnn_core.experiment.assignment import ARMS, CONTROL, TREATMENT
from gnn_core.experiment.engagement import Outcomes, Window
from gnn_core.experiment.gate2 import Gate2Verdict, Look, judge_gate2
from gnn_core.experiment.guardrails import Guardrail, order_guardrail, unsubscribe_guardrail
from gnn_core.experiment.intervals import RatioLift, always_valid_lift, lift_of_means, lift_of_rates
from gnn_core.experiment.srm import RatioCheck, check_ratio
from gnn_core.experiment.summary import Adjusted, ArmCounts, adjusted_means, count_arm, mean_of, ratio_of

PRIMARY = "clickers per assigned eligible user"
JUDGED, SECOND, GUARDRAIL, DESCRIBED = "judged", "second", "guardrail", "described only"
ALL = "all"
_VANISHED_BELOW = 30
"""An arm without a send on a day on which the other had at least this many is no chance: 2^-30."""


@dataclass(frozen=True)
class Metric:
    """One metric of one group of users, both arms compared."""

    name: str
    role: str
    """`judged`, `second`, `guardrail` or `described only`."""
    tier: str
    control: float | None
    treatment: float | None
    lift: RatioLift
    note: str


@dataclass(frozen=True)
class Unsubscribes:
    """Users of the analysis with consent at the start, and how many of them had none at the reading."""

    control: int
    treatment: int
    users_control: int
    users_treatment: int


@dataclass(frozen=True)
class Readout:
    """Everything that the page of an experiment shows."""

    verdict: Gate2Verdict
    ratio: RatioCheck
    arms: tuple[ArmCounts, ...]
    tiers: dict[str, tuple[ArmCounts, ...]]
    metrics: tuple[Metric, ...]
    looks: tuple[Look, ...]
    variance_kept: float | None
    """Share of the variance that history left; None without CUPED."""
    left_out: dict[str, dict[str, int]]
    """Rows of each table by what became of them."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return {
            "verdict": self.verdict.as_json(),
            "ratio": dataclasses.asdict(self.ratio) | {"sentence": self.ratio.sentence},
            "arms": [a.as_json() for a in self.arms],
            "tiers": {tier: [a.as_json() for a in arms] for tier, arms in self.tiers.items()},
            "metrics": [dataclasses.asdict(m) for m in self.metrics],
            "looks": [dataclasses.asdict(look) for look in self.looks],
            "variance_kept": self.variance_kept,
            "left_out": self.left_out,
        }


def read_experiment(
    outcomes: Outcomes,
    window: Window,
    settings: ExperimentSettings,
    *,
    eta: float,
    history: Outcomes | None = None,
    unsubscribes: Unsubscribes | None = None,
    purchases_known: bool = True,
    invalid: Sequence[str] = (),
) -> Readout:
    """Read an experiment from its cleaned rows.

    Args:
        eta: mixing constant of the plan, fixed before the start.
        history: the same users before the start, for CUPED; None = no history.
        unsubscribes: None when consent at the reading is not known.
        purchases_known: whether `outcomes` were counted with the events table.
        invalid: further reasons why the arms cannot be compared.
    Raises:
        DataError: nobody is in the analysis.
        ContractError: the history is of other users.
    """
    users = outcomes.users
    arms = tuple(count_arm(users, arm) for arm in ARMS)
    control, treatment = arms
    ratio = check_ratio(control.users, treatment.users, settings.treatment_share, settings.srm_p_value)
    reasons = [*invalid, *_invalid(outcomes, ratio, window, settings)]
    metrics: list[Metric] = []
    adjusted = _adjusted(users, history, settings)
    plain = lift_of_rates(treatment.clickers, treatment.users, control.clickers, control.users, settings.confidence)
    judged = plain
    if adjusted is not None:
        judged = lift_of_means(
            adjusted.mean_treatment,
            adjusted.var_treatment,
            adjusted.mean_control,
            adjusted.var_control,
            settings.confidence,
        )
        metrics.append(
            Metric(
                PRIMARY, JUDGED, ALL, adjusted.mean_control, adjusted.mean_treatment, judged,
                f"Adjusted by clicks before the start; {adjusted.variance_kept:.1%} of the variance is left.",
            )
        )  # fmt: skip
    metrics.append(
        Metric(
            PRIMARY, DESCRIBED if adjusted else JUDGED, ALL, _share(control.clickers, control.users),
            _share(treatment.clickers, treatment.users), plain,
            "Intention to treat: every assigned eligible user counts, mailed or not.",
        )
    )  # fmt: skip
    metrics += _others(users, ALL, settings, purchases_known)
    guardrails = _guardrails(control, treatment, unsubscribes, purchases_known, settings)
    tiers = {}
    for tier in sorted(users["tier"].unique()):
        group = users[users["tier"] == tier]
        tiers[tier] = tuple(count_arm(group, arm) for arm in ARMS)
        c, t = tiers[tier]
        lift = lift_of_rates(t.clickers, t.users, c.clickers, c.users, settings.confidence)
        note = "One of several groups: an interval that excludes 0 here may be chance."
        metrics.append(
            Metric(PRIMARY, DESCRIBED, tier, _share(c.clickers, c.users), _share(t.clickers, t.users), lift, note)
        )
        metrics += [dataclasses.replace(m, role=DESCRIBED) for m in _others(group, tier, settings, purchases_known)]
    looks = daily_looks(users, window, settings, eta, purchases_known)
    verdict = judge_gate2(
        judged,
        clickers=(control.clickers, treatment.clickers),
        users=(control.users, treatment.users),
        guardrails=guardrails,
        looks=looks,
        final=window.is_final,
        adjusted=adjusted is not None,
        settings=settings,
        invalid=reasons,
    )
    return Readout(
        verdict=verdict,
        ratio=ratio,
        arms=arms,
        tiers=tiers,
        metrics=tuple(metrics),
        looks=looks,
        variance_kept=None if adjusted is None else adjusted.variance_kept,
        left_out={
            "users": outcomes.left_out,
            "sends": outcomes.sends,
            "engagements": outcomes.engagements,
            "orders": outcomes.orders,
            "notes": {
                "sends under the other arm's name": outcomes.crossovers,
                "clicked sends never reported as opened": outcomes.clicks_without_open,
                "order lines without price": outcomes.lines_without_price,
            },
        },
    )


def daily_looks(
    users: pd.DataFrame, window: Window, settings: ExperimentSettings, eta: float, purchases_known: bool
) -> tuple[Look, ...]:
    """What each day before the planned end would have said; a day counts when it lies wholly before the as-of date."""
    days = min(window.days_read, window.days - 1)
    n = {arm: int((users["arm"] == arm).sum()) for arm in ARMS}
    clickers = {arm: _cumulative(users[users["arm"] == arm]["click_day"], window.days) for arm in ARMS}
    buyers = {arm: _cumulative(users[users["arm"] == arm]["order_day"], window.days) for arm in ARMS}
    looks = []
    for day in range(days):
        c, t = int(clickers[CONTROL][day]), int(clickers[TREATMENT][day])
        lift = always_valid_lift(t, n[TREATMENT], c, n[CONTROL], settings.confidence, eta)
        bought: RatioLift | None = None
        if purchases_known:
            b_c, b_t = int(buyers[CONTROL][day]), int(buyers[TREATMENT][day])
            bought = always_valid_lift(b_t, n[TREATMENT], b_c, n[CONTROL], settings.confidence, eta)
        looks.append(
            Look(day + 1, c, t, lift, bought, stop_reason(lift.high, bought.high if bought else None, settings))
        )
    return tuple(looks)


def stop_reason(clicks_high: float | None, buyers_high: float | None, settings: ExperimentSettings) -> str | None:
    """Why a day stops the experiment, from upper ends that hold on every day at once; None = it goes on."""
    if any(high is not None and high < 0 for high in (clicks_high, buyers_high)):
        return HARM
    if clicks_high is not None and clicks_high < settings.threshold:
        return TOO_SMALL
    return None


def _cumulative(day_U: pd.Series, days: int) -> NDArray[np.int64]:
    values = day_U.to_numpy()
    return np.cumsum(np.bincount(values[values >= 0], minlength=days))


def _adjusted(users: pd.DataFrame, history: Outcomes | None, settings: ExperimentSettings) -> Adjusted | None:
    """CUPED, decided by the settings and by how many users have a history, never by the outcome."""
    if history is None or not settings.cuped:
        return None
    past = history.users.set_index("user_id")
    if len(past) != len(users) or not past.index.isin(users["user_id"]).all():
        raise ContractError("experiment: the history is of other users than the analysis; count it with the same arms")
    past = past.loc[users["user_id"]]
    if len(past) == 0 or (past["sends"] > 0).mean() < settings.min_history_share:
        return None
    y, x = users["clicked"].to_numpy(dtype=np.float64), past["clicks"].to_numpy(dtype=np.float64)
    treated = (users["arm"] == TREATMENT).to_numpy()
    return adjusted_means(y[~treated], x[~treated], y[treated], x[treated])


def _others(users: pd.DataFrame, tier: str, settings: ExperimentSettings, purchases_known: bool) -> list[Metric]:
    by_arm = {arm: users[users["arm"] == arm] for arm in ARMS}

    def values(arm: str, column: str) -> NDArray[np.float64]:
        return by_arm[arm][column].to_numpy(dtype=np.float64)

    def compared(name: str, role: str, figures: dict[str, tuple[float, float]], note: str) -> Metric:
        (mean_c, var_c), (mean_t, var_t) = figures[CONTROL], figures[TREATMENT]
        lift = lift_of_means(mean_t, var_t, mean_c, var_c, settings.confidence)
        return Metric(name, role, tier, _finite(mean_c), _finite(mean_t), lift, note)

    found = [
        compared(
            "clicks per send", SECOND, {a: ratio_of(values(a, "clicks"), values(a, "sends")) for a in ARMS},
            "Users are the independent units (delta method).",
        ),
        compared(
            "clicks per open", DESCRIBED, {a: ratio_of(values(a, "clicks"), values(a, "opens")) for a in ARMS},
            "Not judged: who opens differs between the arms.",
        ),
        compared(
            "opens per send", DESCRIBED, {a: ratio_of(values(a, "opens"), values(a, "sends")) for a in ARMS},
            "Subject lines and machines open e-mails too.",
        ),
    ]  # fmt: skip
    if purchases_known:
        notes = {"bought": "See the order guardrail.", "orders": "", "revenue": "A few large orders rule this figure."}
        names = {"bought": "buyers per user", "orders": "orders per user", "revenue": "revenue per user, USD"}
        for column, name in names.items():
            role = GUARDRAIL if column == "bought" else DESCRIBED
            found.append(compared(name, role, {a: mean_of(values(a, column)) for a in ARMS}, notes[column]))
    return found


def _guardrails(
    control: ArmCounts,
    treatment: ArmCounts,
    unsubscribes: Unsubscribes | None,
    purchases_known: bool,
    settings: ExperimentSettings,
) -> tuple[Guardrail, ...]:
    found = []
    if purchases_known:
        found.append(
            order_guardrail(
                treatment.buyers,
                treatment.users,
                control.buyers,
                control.users,
                confidence=settings.confidence,
                margin=settings.order_margin,
            )
        )
    if unsubscribes is not None:
        found.append(
            unsubscribe_guardrail(
                unsubscribes.treatment,
                unsubscribes.users_treatment,
                unsubscribes.control,
                unsubscribes.users_control,
                confidence=settings.confidence,
            )
        )
    return tuple(found)


def _invalid(outcomes: Outcomes, ratio: RatioCheck, window: Window, settings: ExperimentSettings) -> list[str]:
    """Why the arms cannot be compared, each a phrase."""
    reasons = []
    if ratio.mismatch:
        reasons.append(ratio.sentence)
    assigned = len(outcomes.users) + outcomes.n_two_arms
    if outcomes.n_two_arms > settings.max_two_arm_share * assigned:
        reasons.append(f"{outcomes.n_two_arms:,} of {assigned:,} users were assigned to two arms")
    sends = outcomes.sends["counted"]
    if outcomes.crossovers > settings.max_crossover_share * max(1, sends):
        reasons.append(f"{outcomes.crossovers:,} of {sends:,} sends carried the other arm's name")
    for arm, other in ((CONTROL, TREATMENT), (TREATMENT, CONTROL)):
        days = range(window.days_read)
        mine, theirs = outcomes.sends_by_day[arm], outcomes.sends_by_day[other]
        gone = [day + 1 for day in days if mine[day] == 0 and theirs[day] >= _VANISHED_BELOW]
        if gone:
            reasons.append(f"{arm} was sent nothing on day {', '.join(map(str, gone))} while {other} was")
    if sends == 0 and window.is_final:
        reasons.append("no send counts: nobody was mailed in the window, or no send names an arm of this experiment")
    return reasons


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
