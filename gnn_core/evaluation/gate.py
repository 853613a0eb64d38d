"""Gate 1: is the model offline better than SQL by enough? Three answers, and a sentence for each.

What belongs here: gate 1's wording. What does not: the rule (lift_rule.py), figures (bootstrap.py), what follows from
a verdict (the asset that promotes reads it as data).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gnn_core.config import Gate1Settings
from gnn_core.evaluation.bootstrap import Lift
from gnn_core.evaluation.lift_rule import FAIL, INCONCLUSIVE, PASS, read_lift
from gnn_core.evaluation.names import phrase

__all__ = ["FAIL", "INCONCLUSIVE", "PASS", "GateVerdict", "judge_gate1", "percent", "signed_percent"]


@dataclass(frozen=True)
class GateVerdict:
    """What gate 1 says about one model, with every figure that the answer rests on. Lifts are shares: 0.05 = 5 %."""

    verdict: str
    """`pass`, `fail` or `inconclusive`."""
    reason: str
    """Sentences for a reader who is no engineer."""
    model: str
    baseline: str
    threshold: float
    lift: float | None
    low: float | None
    high: float | None
    certified: bool
    """The whole interval lies at or above the threshold: more than the gate asks for."""
    confidence: float
    model_mean: float
    baseline_mean: float
    n_users: int
    n_baseline_hits: int
    p_value: float
    invalid: tuple[str, ...]
    """Why the comparison itself cannot be trusted; the figures are then not interpreted."""

    @property
    def passed(self) -> bool:
        """Only a pass promotes anything."""
        return self.verdict == PASS

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self) | {"invalid": list(self.invalid)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> GateVerdict:
        """The verdict that `as_json` wrote."""
        return cls(**(values | {"invalid": tuple(values["invalid"])}))


def judge_gate1(
    lift: Lift,
    settings: Gate1Settings,
    *,
    invalid: Sequence[str] = (),
    model: str = "the model",
    baseline: str = "the SQL baseline",
) -> GateVerdict:
    """Judge a relative lift against τ = `settings.threshold`, with interval [L, U], in this order of precedence:

    1. invalid (leak canary, unmatched baseline …) → inconclusive, the effect is not interpreted;
    2. fewer than `min_baseline_hits` baseline hits → inconclusive: a ratio of so few hits neither passes nor fails
       anyone. It stands before "fail" because stopping a programme over three hits against two would be as wrong as
       promoting over it;
    3. U < τ, or estimate ≤ 0 → fail;
    4. estimate ≥ τ and L > 0 → pass; "certified" when L ≥ τ;
    5. everything else → inconclusive.

    Args:
        lift: of the model over the baseline.
        settings: threshold and minimum of baseline hits.
        invalid: reasons, each a phrase, why the comparison cannot be trusted.
        model, baseline: recommenders' names (see names.py), or phrases for the sentences.
    """
    verdict, why = _decide(lift, settings, tuple(invalid))
    certified = verdict == PASS and lift.low is not None and lift.low >= settings.threshold
    words = _Words(phrase(model), phrase(baseline), lift, settings)
    return GateVerdict(
        verdict=verdict,
        reason=words.reason(why, certified, tuple(invalid)),
        model=model,
        baseline=baseline,
        threshold=settings.threshold,
        lift=lift.estimate,
        low=lift.low,
        high=lift.high,
        certified=certified,
        confidence=lift.confidence,
        model_mean=lift.model_mean,
        baseline_mean=lift.baseline_mean,
        n_users=lift.n_users,
        n_baseline_hits=lift.n_baseline_hits,
        p_value=lift.p_value,
        invalid=tuple(invalid),
    )


def _decide(lift: Lift, settings: Gate1Settings, invalid: tuple[str, ...]) -> tuple[str, str]:
    return read_lift(
        lift.estimate,
        lift.low,
        lift.high,
        settings.threshold,
        invalid=bool(invalid),
        enough=lift.n_baseline_hits >= settings.min_baseline_hits,
        no_better_fails=True,
    )


@dataclass(frozen=True)
class _Words:
    model: str
    baseline: str
    lift: Lift
    settings: Gate1Settings

    def reason(self, why: str, certified: bool, invalid: tuple[str, ...]) -> str:
        tau = percent(self.settings.threshold)
        if why == "invalid":
            return (
                f"The comparison cannot be trusted, so its figures are not interpreted: {'; '.join(invalid)}. "
                "Correct this and evaluate again."
            )
        if why == "few":
            return (
                f"Too little happened in the held-out window to tell: {self.baseline} was right for "
                f"{self.lift.n_baseline_hits} of {self.lift.n_rows} judged customers, and at least "
                f"{self.settings.min_baseline_hits} are needed. Wait for more data or judge a longer window."
            )
        ending = {
            "no better": f"It is no better than {self.baseline}, so it is not promoted.",
            "too small": f"Even the upper end of that range is below the {tau} asked for, so it is not promoted.",
            "may be chance": f"The {tau} asked for is reached, but the range includes no gain: it may be chance.",
            "below threshold": f"That is short of the {tau} asked for, yet the data do not rule it out.",
            "pass": f"The {tau} asked for is reached and the gain is more than chance"
            + (f"; the whole range is at or above {tau}." if certified else f", though it may be smaller than {tau}."),
        }
        return f"{self._finding()} {ending[why]}"

    def _finding(self) -> str:
        lift = self.lift
        assert lift.estimate is not None
        low, high = signed_percent(lift.low), "no upper limit" if lift.high is None else signed_percent(lift.high)
        return (
            f"Of the products that customers went on to choose, {self.model} had {lift.model_mean:.1%} among its first "
            f"ten and {self.baseline} {lift.baseline_mean:.1%}: a change of {signed_percent(lift.estimate)}. With "
            f"{lift.confidence:.0%} confidence the true change lies between {low} and {high} "
            f"({lift.n_users:,} customers)."
        )


def percent(share: float) -> str:
    """0.05 → "5%"; one decimal where it is needed."""
    return f"{share * 100:.1f}".removesuffix(".0") + "%"


def signed_percent(share: float | None) -> str:
    """0.0512 → "+5.1%"; 12.158 → "+1,216%": decimals of a doubling are noise; None → "unknown"."""
    if share is None:
        return "unknown"
    text = f"{share * 100:+,.{0 if abs(share) >= 1 else 1}f}%".replace("-", "−")
    return "0.0%" if text in ("+0.0%", "−0.0%") else text
