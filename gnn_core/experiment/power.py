"""Before the start: can this experiment decide at all? Power of the whole rule, detectable lift, users and days.

What belongs here: what a plan promises. What does not: what came of it (readout.py).

Power means P(gate 2 says pass | the planned lift is true). Gate 2 passes when the estimate reaches τ *and* its interval
lies above 0, so on the log scale, with standard error s, when it exceeds max(log(1 + τ), z · s); and only if enough
control users clicked, no guardrail raises a false alarm, and the sizes of the arms show no false mismatch.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its stats load when they are first asked for

from gnn_core.config import ExperimentSettings
from gnn_core.errors import ConfigError, DataError
from gnn_core.experiment.intervals import information_of, mixture_for

GUARDRAILS = ("buyers", "unsubscribes")
"""Each false-alarms in (1 − confidence) / 2 of the experiments that do no harm."""
_LARGEST_LIFT = 10.0
_MOST_USERS = 10**10


@dataclass(frozen=True)
class Plan:
    """What an experiment promises before it starts. Rates and lifts are shares."""

    base_rate: float
    """Distinct clickers per eligible user under control, in as many days as the experiment is long."""
    users_control: int
    users_treatment: int
    days: int
    threshold: float
    planned_lift: float
    power: float
    target_power: float
    detectable_lift: float | None
    """Smallest lift that passes with the target power; None when not even +1,000 % does."""
    users_needed: int | None
    """Users an arm at which the planned lift passes with the target power, in an even split."""
    days_needed: int | None
    """Days, in whole weeks, after which it does with the users there are; None when `max_days` are not enough."""
    eta: float
    """Mixing constant of the always-valid interval, fixed here (see intervals.py)."""
    decides: bool
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Plan:
        """The plan that `as_json` wrote."""
        return cls(**values)


def power_of_rule(
    base_rate: float, n_control: float, n_treatment: float, lift: float, settings: ExperimentSettings
) -> float:
    """P(gate 2 passes at its planned end | a true lift), 0 where the numbers allow no interval."""
    information = information_of(base_rate, n_control, n_treatment, lift)
    if information == 0:
        return 0.0
    se = 1 / math.sqrt(information)
    z = scipy.stats.norm.ppf((1 + settings.confidence) / 2)
    bar = max(math.log1p(settings.threshold), z * se)
    reaches = scipy.stats.norm.cdf((math.log1p(lift) - bar) / se)
    enough = scipy.stats.binom.sf(settings.min_control_clickers - 1, max(1, round(n_control)), base_rate)
    quiet = (1 - (1 - settings.confidence) / 2) ** len(GUARDRAILS) * (1 - settings.srm_p_value)
    return float(reaches * enough * quiet)


def users_against_zero(base_rate: float, lift: float, power: float, confidence: float) -> int:
    """Users an arm for this power of "the interval lies above 0" alone, without any threshold."""
    each = information_of(base_rate, 1.0, 1.0, lift)
    if each == 0 or lift <= 0:
        raise ConfigError(f"base rate {base_rate} and lift {lift}: both must be above 0, and both rates below 1")
    needed = (scipy.stats.norm.ppf((1 + confidence) / 2) + scipy.stats.norm.ppf(power)) / math.log1p(lift)
    return math.ceil(needed**2 / each)


def detectable_lift(
    base_rate: float, n_control: float, n_treatment: float, settings: ExperimentSettings
) -> float | None:
    """Smallest lift that passes with the target power."""
    top = min(_LARGEST_LIFT, 0.99 / base_rate - 1)
    if top <= settings.threshold or power_of_rule(base_rate, n_control, n_treatment, top, settings) < settings.power:
        return None
    low, high = settings.threshold, top
    for _ in range(60):
        middle = (low + high) / 2
        if power_of_rule(base_rate, n_control, n_treatment, middle, settings) >= settings.power:
            high = middle
        else:
            low = middle
    return high


def users_needed(base_rate: float, lift: float, settings: ExperimentSettings) -> int | None:
    """Users an arm at which the whole rule passes this lift with the target power; None beyond ten thousand million.

    Raises:
        ConfigError: the lift is no larger than the threshold: no number of users is enough.
    """
    if lift <= settings.threshold:
        raise ConfigError(
            f"a planned lift of {lift:.1%} is no larger than the threshold {settings.threshold:.1%}: no sample size "
            "passes it more than half the time. Plan a larger lift, or lower the threshold"
        )
    low, high = 1, 2
    while power_of_rule(base_rate, high, high, lift, settings) < settings.power:
        low, high = high, high * 2
        if high > _MOST_USERS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if power_of_rule(base_rate, middle, middle, lift, settings) >= settings.power:
            high = middle
        else:
            low = middle
    return high


def rate_after(base_rate: float, days: int, after: int) -> float:
    """Clickers per user after another number of days, if every day brings each user the same chance of a first click.

    Real users differ, so a longer experiment gains a little less than this says.
    """
    return -math.expm1(math.log1p(-base_rate) * after / days)


def plan_experiment(
    base_rate: float, base_days: int, n_control: int, n_treatment: int, settings: ExperimentSettings
) -> Plan:
    """What the experiment promises with these users, whose control clicks at `base_rate` in `base_days` days.

    Raises:
        ConfigError: the planned lift is no larger than the threshold.
        DataError: the base rate is not between 0 and 1, or an arm is empty: nothing can be planned on it.
    """
    if not 0 < base_rate < 1:
        raise DataError(
            f"the base rate of clickers is {base_rate}: the last {base_days} days hold no click (or nothing else), so "
            "no experiment can be planned on them. Check sends and engagements, or lengthen experiment.history_days"
        )
    if min(n_control, n_treatment) <= 0:
        raise DataError(f"{n_control} users in control and {n_treatment} in treatment: both arms need some")
    delta, days = settings.planned_lift, settings.days
    needed = users_needed(rate_after(base_rate, base_days, days), delta, settings)
    weeks = np.arange(7, settings.max_days + 1, 7)
    rates = [rate_after(base_rate, base_days, int(d)) for d in weeks]
    enough = [
        int(d)
        for d, r in zip(weeks, rates, strict=True)
        if power_of_rule(r, n_control, n_treatment, delta, settings) >= settings.power
    ]
    rate = rate_after(base_rate, base_days, days)
    power = power_of_rule(rate, n_control, n_treatment, delta, settings)
    detectable = detectable_lift(rate, n_control, n_treatment, settings)
    decides = power >= settings.power
    return Plan(
        base_rate=rate,
        users_control=n_control,
        users_treatment=n_treatment,
        days=days,
        threshold=settings.threshold,
        planned_lift=delta,
        power=power,
        target_power=settings.power,
        detectable_lift=detectable,
        users_needed=needed,
        days_needed=enough[0] if enough else None,
        eta=mixture_for(information_of(rate, n_control, n_treatment, delta), settings.confidence),
        decides=decides,
        reason=_reason(decides, power, detectable, needed, enough, rate, n_control, n_treatment, settings),
    )


def _reason(
    decides: bool,
    power: float,
    detectable: float | None,
    needed: int | None,
    enough: list[int],
    rate: float,
    n_control: int,
    n_treatment: int,
    settings: ExperimentSettings,
) -> str:
    facts = (
        f"With {n_control:,} and {n_treatment:,} users, of whom {rate:.3%} click in {settings.days} days without the "
        f"treatment, a true lift of {settings.planned_lift:.0%} passes gate 2 with probability {power:.0%}"
    )
    if decides:
        return f"{facts}: the experiment can decide. It detects lifts from {detectable:.1%} up."
    detects = "no lift that is likely" if detectable is None else f"only lifts from {detectable:.1%} up"
    users = "more users than there can be" if needed is None else f"{needed:,} users an arm"
    time = (
        f"or {enough[0]} days with the users there are"
        if enough
        else f"and {settings.max_days} days with the users there are are not enough"
    )
    return (
        f"{facts}, below the {settings.power:.0%} asked for: it is too likely to end without an answer. It "
        f"detects {detects}; it would need {users}, {time}."
    )
