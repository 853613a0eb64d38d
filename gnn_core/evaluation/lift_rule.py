"""How a gate reads a relative lift and its interval: the one rule behind gate 1 and gate 2.

What belongs here: the order of precedence. What does not: the figures, and the words of a particular gate.
"""

from __future__ import annotations

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
INVALID, HARM, FEW, NO_BETTER = "invalid", "harm", "few", "no better"
TOO_SMALL, PASSED, CHANCE, SHORT = "too small", "pass", "may be chance", "below threshold"


def read_lift(
    estimate: float | None,
    low: float | None,
    high: float | None,
    threshold: float,
    *,
    invalid: bool,
    enough: bool,
    harm: bool = False,
    no_better_fails: bool = False,
) -> tuple[str, str]:
    """(verdict, why) of a lift with interval [low, high] against τ = `threshold`, in this order of precedence:

    1. invalid → inconclusive; the effect is not interpreted;
    2. harm on a guardrail → fail: a guardrail has counts and an interval of its own, so it needs no minimum here;
    3. too little data, or no estimate → inconclusive;
    4. estimate ≤ 0, where `no_better_fails` → fail;
    5. high < τ → fail;
    6. estimate ≥ τ and low > 0 → pass;
    7. everything else → inconclusive.

    Args:
        high: None = no upper limit.
    """
    if invalid:
        return INCONCLUSIVE, INVALID
    if harm:
        return FAIL, HARM
    if not enough or estimate is None or low is None:
        return INCONCLUSIVE, FEW
    if no_better_fails and estimate <= 0:
        return FAIL, NO_BETTER
    if high is not None and high < threshold:
        return FAIL, TOO_SMALL
    if estimate >= threshold:
        return (PASS, PASSED) if low > 0 else (INCONCLUSIVE, CHANCE)
    return INCONCLUSIVE, SHORT
