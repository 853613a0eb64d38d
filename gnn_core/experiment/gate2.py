"""Gate 2: do more customers click, by enough, and does nobody get hurt? Three answers, and a sentence for each.

What belongs here: the verdict and its wording, on the planned end and on any day before. What does not: the rule of a
lift (evaluation/lift_rule.py), the figures (readout.py).

Before the planned end the always-valid interval may *stop* the experiment: for harm, or because even its upper end is
below τ. It never passes it: a pass is judged once, at the planned end, on whole weeks. So looking every day cannot
raise the chance of a false pass, and costs a little power.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gnn_core.config import ExperimentSettings
from gnn_core.evaluation.gate import percent, signed_percent
from gnn_core.evaluation.lift_rule import FAIL, FEW, HARM, INCONCLUSIVE, INVALID, PASS, TOO_SMALL, read_lift
from gnn_core.experiment.guardrails import Guardrail
from gnn_core.experiment.intervals import RatioLift

EARLY = "before the planned end"


@dataclass(frozen=True)
class Look:
    """One day's reading of the experiment, all cumulative. Bounds hold on every day at once."""

    day: int
    """Days since the start, 1 = the end of the first day."""
    clickers_control: int
    clickers_treatment: int
    lift: RatioLift
    buyers: RatioLift | None
    """None where purchases are not known."""
    stops: str | None
    """`harm` or `too small` when this day would stop the experiment."""


@dataclass(frozen=True)
class Gate2Verdict:
    """What gate 2 says. Lifts are shares."""

    verdict: str
    why: str
    """The branch of the rule that decided."""
    reason: str
    final: bool
    """Whether the planned end was judged, or an early look decided."""
    threshold: float
    lift: float | None
    low: float | None
    high: float | None
    certified: bool
    adjusted: bool
    """Whether the judged lift is adjusted by the users' history (CUPED)."""
    control_clickers: int
    invalid: tuple[str, ...]
    guardrails: tuple[Guardrail, ...]

    @property
    def passed(self) -> bool:
        """Only a pass starts a rollout."""
        return self.verdict == PASS

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self) | {
            "invalid": list(self.invalid),
            "guardrails": [g.as_json() for g in self.guardrails],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Gate2Verdict:
        """The verdict that `as_json` wrote."""
        guardrails = tuple(Guardrail.from_json(g) for g in values["guardrails"])
        return cls(**(values | {"invalid": tuple(values["invalid"]), "guardrails": guardrails}))


def judge_gate2(
    lift: RatioLift,
    *,
    clickers: tuple[int, int],
    users: tuple[int, int],
    guardrails: Sequence[Guardrail],
    looks: Sequence[Look],
    final: bool,
    adjusted: bool,
    settings: ExperimentSettings,
    invalid: Sequence[str] = (),
) -> Gate2Verdict:
    """Judge the relative lift of distinct clickers per assigned eligible user.

    Args:
        lift: fixed-horizon; judged when `final`.
        clickers, users: (control, treatment), for the sentences and for the minimum of control clickers.
        guardrails: read at the same moment; they decide at the planned end only, the looks decide before it.
        looks: one a day, so far; a look that stops keeps its word at the end.
        final: whether the planned end has come and settled.
        invalid: reasons, each a phrase, why the arms cannot be compared.
    """
    stops = [look for look in looks if look.stops]
    # Harm is the graver word, also where an earlier day had stopped for a gain that is too small.
    stopped = next((look for look in stops if look.stops == HARM), stops[0] if stops else None)
    if invalid or stopped is None:
        verdict, why = read_lift(
            lift.estimate,
            lift.low,
            lift.high,
            settings.threshold,
            invalid=bool(invalid),
            enough=clickers[0] >= settings.min_control_clickers,
            harm=any(g.harm for g in guardrails),
        )
        if not invalid and not final:
            verdict, why = INCONCLUSIVE, EARLY
    else:
        verdict, why = FAIL, str(stopped.stops)
    certified = verdict == PASS and lift.low is not None and lift.low >= settings.threshold
    words = _Words(lift, clickers, users, tuple(guardrails), stopped, settings)
    return Gate2Verdict(
        verdict=verdict,
        why=why,
        reason=words.reason(why, certified, tuple(invalid)),
        final=final or (stopped is not None and not invalid),
        threshold=settings.threshold,
        lift=lift.estimate,
        low=lift.low,
        high=lift.high,
        certified=certified,
        adjusted=adjusted,
        control_clickers=clickers[0],
        invalid=tuple(invalid),
        guardrails=tuple(guardrails),
    )


@dataclass(frozen=True)
class _Words:
    lift: RatioLift
    clickers: tuple[int, int]
    users: tuple[int, int]
    guardrails: tuple[Guardrail, ...]
    stopped: Look | None
    settings: ExperimentSettings

    def reason(self, why: str, certified: bool, invalid: tuple[str, ...]) -> str:
        tau = percent(self.settings.threshold)
        if why == INVALID:
            return (
                f"The arms cannot be compared, so the effect is not interpreted: {'; '.join(invalid)}. Find the cause, "
                "correct it, and run the experiment again under a new salt."
            )
        guards = " ".join(g.sentence for g in self.guardrails)
        if self.stopped is not None:
            return f"{self._early(self.stopped, tau)} {guards}".strip()
        if why == FEW:
            ending = (
                f"Too little happened to tell: {self.clickers[0]:,} customers in control clicked, and at least "
                f"{self.settings.min_control_clickers} are needed. Run longer, or mail more customers."
            )
            return f"{ending} {guards}".strip()
        if why == EARLY:
            return (
                f"The planned end has not come, so nothing is decided yet. {self._finding()} This range is right for "
                f"one look at the planned end only; the daily looks use a wider one. {guards}"
            ).strip()
        ending = {
            HARM: "A guardrail shows harm, so it does not pass whatever the clicks say.",
            TOO_SMALL: f"Even the upper end of that range is below the {tau} asked for.",
            "may be chance": f"The {tau} asked for is reached, but the range includes no gain: it may be chance.",
            "below threshold": f"That is short of the {tau} asked for, yet the data do not rule it out.",
            "pass": f"The {tau} asked for is reached and the gain is more than chance"
            + (f"; the whole range is at or above {tau}." if certified else f", though it may be smaller than {tau}."),
        }[why]
        return f"{self._finding()} {ending} {guards}".strip()

    def _finding(self) -> str:
        lift = self.lift
        if lift.estimate is None:
            return "No change of clicks can be stated: nobody in control clicked."
        low = signed_percent(lift.low)
        high = "no upper limit" if lift.high is None else signed_percent(lift.high)
        if lift.low is not None and lift.low > 0:
            direction = "Clicks rose"
        elif lift.high is not None and lift.high < 0:
            direction = "Clicks fell"
        else:
            direction = "No change of clicks was shown"
        shares = [c / n if n else 0.0 for c, n in zip(self.clickers, self.users, strict=True)]
        return (
            f"{direction}: {shares[0]:.3%} of the customers in control and {shares[1]:.3%} in treatment clicked, a "
            f"change of {signed_percent(lift.estimate)}; with {lift.confidence:.0%} confidence between {low} and "
            f"{high}."
        )

    def _early(self, look: Look, tau: str) -> str:
        judged = look.buyers if look.stops == HARM and look.buyers and (look.buyers.high or 0) < 0 else look.lift
        what = "buyers" if judged is look.buyers else "clickers"
        bound = "no upper limit" if judged.high is None else signed_percent(judged.high)
        verdict = (
            f"{what} fell, by an interval that holds on every day at once (upper end {bound})"
            if look.stops == HARM
            else f"the upper end of an interval that holds on every day at once ({bound}) is below the {tau} asked for"
        )
        return f"Stopped on day {look.day}: {verdict}."
