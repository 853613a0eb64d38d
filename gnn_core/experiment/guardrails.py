"""Guardrails: what must not get worse while clicks rise.

What belongs here: harm, and what is not excluded where no harm was shown. What does not: the judged metric (gate2.py).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import scipy  # its stats load when they are first asked for

from gnn_core.evaluation.gate import percent, signed_percent
from gnn_core.experiment.intervals import RatioLift, lift_of_rates

HARM, NOT_WORSE, MARGIN_HELD, UNKNOWN = "harm", "not shown worse", "no worse than the margin", "no data"


@dataclass(frozen=True)
class Guardrail:
    """One guardrail, read."""

    name: str
    state: str
    """`harm`, `not shown worse`, `no worse than the margin`, or `no data`."""
    control: int
    treatment: int
    lift: RatioLift
    detectable: float | None
    """Relative change in the bad direction that 80 % of such experiments would have shown as harm."""
    sentence: str

    @property
    def harm(self) -> bool:
        """Only harm fails a gate."""
        return self.state == HARM

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Guardrail:
        """What `as_json` wrote."""
        return cls(**(values | {"lift": RatioLift.from_json(values["lift"])}))


def order_guardrail(
    buyers_t: int, n_t: int, buyers_c: int, n_c: int, *, confidence: float, margin: float | None
) -> Guardrail:
    """Distinct buyers: harm when the whole interval lies below 0.

    Args:
        margin: relative loss that must be excluded for "no worse than the margin"; None = harm alone is judged.
    """
    lift = lift_of_rates(buyers_t, n_t, buyers_c, n_c, confidence)
    detectable = _detectable(lift, -1)
    facts = f"{buyers_c:,} buyers in control and {buyers_t:,} in treatment"
    if lift.low is None or lift.high is None:
        return Guardrail(
            "buyers", UNKNOWN, buyers_c, buyers_t, lift, None, f"No order is known in either arm: {facts}."
        )
    change = f"{facts}: {signed_percent(lift.estimate)} [{signed_percent(lift.low)}, {signed_percent(lift.high)}]"
    if lift.high < 0:
        return Guardrail("buyers", HARM, buyers_c, buyers_t, lift, detectable, f"Fewer customers bought. {change}.")
    if margin is not None and lift.low > -margin:
        text = f"A loss of buyers above {percent(margin)} is excluded. {change}."
        return Guardrail("buyers", MARGIN_HELD, buyers_c, buyers_t, lift, detectable, text)
    text = (
        ("More customers bought. " if lift.low > 0 else "No effect on orders was detected. ")
        + change
        + ("" if lift.low > 0 else f", so a loss of up to {percent(-lift.low)} is not excluded")
        + ("" if detectable is None else f"; such a test would show losses from {percent(-detectable)} up")
        + "."
    )
    return Guardrail("buyers", NOT_WORSE, buyers_c, buyers_t, lift, detectable, text)


def unsubscribe_guardrail(left_t: int, n_t: int, left_c: int, n_c: int, *, confidence: float) -> Guardrail:
    """Users who withdrew their consent to e-mail: harm when the whole interval lies above 0."""
    lift = lift_of_rates(left_t, n_t, left_c, n_c, confidence)
    detectable = _detectable(lift, +1)
    facts = f"{left_c:,} unsubscribed in control and {left_t:,} in treatment"
    if lift.low is None:
        return Guardrail("unsubscribes", UNKNOWN, left_c, left_t, lift, None, f"Nobody unsubscribed: {facts}.")
    high = "no upper limit" if lift.high is None else signed_percent(lift.high)
    change = f"{facts}: {signed_percent(lift.estimate)} [{signed_percent(lift.low)}, {high}]"
    if lift.low > 0:
        return Guardrail(
            "unsubscribes", HARM, left_c, left_t, lift, detectable, f"More customers unsubscribed. {change}."
        )
    text = f"No more unsubscribes were detected. {change}, so a rise of up to {high.lstrip('+')} is not excluded."
    return Guardrail("unsubscribes", NOT_WORSE, left_c, left_t, lift, detectable, text)


def _detectable(lift: RatioLift, direction: int) -> float | None:
    """Change whose interval would exclude 0 with 80 % power, at this standard error."""
    if not lift.se_log:
        return None
    reach = (scipy.stats.norm.ppf((1 + lift.confidence) / 2) + scipy.stats.norm.ppf(0.8)) * lift.se_log
    return math.expm1(direction * reach)
