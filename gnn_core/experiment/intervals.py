"""Intervals for a relative lift of two arms' means: one for the planned end, one for any day before.

What belongs here: the arithmetic, on numbers or on arrays of any shape, so that the calibration runs the very functions
that judge. What does not: where means come from (summary.py), what follows from an interval (gate2.py).

Fixed horizon: log(m_T / m_C) ± z · se, se² = var(m_T) / m_T² + var(m_C) / m_C² (delta method; for two rates this is
Katz et al. 1978, Obtaining confidence intervals for the risk ratio in cohort studies). The logarithm, since a ratio of
small rates is skewed, and its logarithm is nearly normal from a few dozen clickers on and cannot fall below −100 %.
Fieller's interval, the alternative, agrees for large counts, and is unbounded or empty where the control has few.

Always valid: take the clickers one by one, as they come. While the arms' rates keep their ratio r, each new one is from
the treatment with probability p = r n_T / (r n_T + n_C), whatever came before. For the true p, the likelihood of the
clickers so far under a beta mixture, divided by that under p, is a martingale that starts at 1, so the probability that
it ever exceeds 1 / α is at most α (Ville 1939); the interval holds those p for which it has not (Robbins 1970,
Statistical methods related to the law of the iterated logarithm; Howard et al. 2021, Time-uniform, nonparametric,
nonasymptotic confidence sequences; Lindon and Malek 2022, Anytime-valid inference for multinomial count data). No large
number is needed, and no day is special. What is assumed is that a click leaves nearly as many who may still click:
rates of a few percent.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its stats load when they are first asked for
from numpy.typing import ArrayLike, NDArray
from scipy import special

Float = NDArray[np.float64]
_FAR, _HALVINGS = 60.0, 45
"""Log odds beyond which nothing is told apart, and halvings that leave 4e-12 of them."""


@dataclass(frozen=True)
class RatioLift:
    """Relative lift of the treatment's mean over the control's; a figure that does not exist is None.

    `estimate`, `low` and `high` are shares: 0.1 = 10 %.
    """

    estimate: float | None
    low: float | None
    high: float | None
    z: float | None
    """Estimate of the log ratio in standard errors."""
    p_value: float | None
    """Two-sided, of "no difference"; of the fixed-horizon reading."""
    se_log: float | None
    confidence: float

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RatioLift:
        """What `as_json` wrote."""
        return cls(**values)


def rate(events: ArrayLike, n: ArrayLike) -> tuple[Float, Float]:
    """(mean, variance of the mean) of a share of n users; NaN where n is 0."""
    events, n = np.asarray(events, dtype=np.float64), np.asarray(n, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = events / n
        return mean, mean * (1 - mean) / n


def log_ratio(mean_t: ArrayLike, var_t: ArrayLike, mean_c: ArrayLike, var_c: ArrayLike) -> tuple[Float, Float]:
    """(log of the ratio, its standard error); NaN where a mean is not above 0."""
    mean_t, mean_c = np.asarray(mean_t, dtype=np.float64), np.asarray(mean_c, dtype=np.float64)
    defined = (mean_t > 0) & (mean_c > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where(defined, np.log(mean_t / mean_c), np.nan)
        se = np.sqrt(np.asarray(var_t) / mean_t**2 + np.asarray(var_c) / mean_c**2)
        return estimate, np.where(defined, se, np.nan)


def fixed_bounds(estimate: Float, se: Float, confidence: float) -> tuple[Float, Float]:
    """Two-sided bounds of the log ratio, for one look that was planned beforehand."""
    z = scipy.stats.norm.ppf((1 + confidence) / 2)
    return estimate - z * se, estimate + z * se


def always_valid_bounds(
    events_t: ArrayLike, n_t: ArrayLike, events_c: ArrayLike, n_c: ArrayLike, confidence: float, eta: float
) -> tuple[Float, Float]:
    """Bounds of the log ratio of two rates that hold at all looks at once; infinite on a side that nothing bounds.

    Args:
        events_t, events_c: users who did it so far. n_t, n_c: users of the arms, all above 0.
        eta: how wide the mixture is, from `mixture_for`; fixed before the first look.
    """
    t, c, share, least = _mixture(events_t, n_t, events_c, n_c, confidence, eta)
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = np.nan_to_num(np.clip(np.log(t) - np.log(c), -_FAR, _FAR))
    low = _crossing(t, c, least, np.full(t.shape, -_FAR), peak)
    high = _crossing(t, c, least, np.full(t.shape, _FAR), peak)
    centre = np.log(share / (1 - share))
    return np.where(t == 0, -np.inf, low - centre), np.where(c == 0, np.inf, high - centre)


def _mixture(
    events_t: ArrayLike, n_t: ArrayLike, events_c: ArrayLike, n_c: ArrayLike, confidence: float, eta: float
) -> tuple[Float, Float, Float, Float]:
    """(events of treatment and control, share of the users in treatment, least log likelihood of an odds within)."""
    t, c = np.broadcast_arrays(np.asarray(events_t, dtype=np.float64), np.asarray(events_c, dtype=np.float64))
    n_t = np.asarray(n_t, dtype=np.float64)
    share = n_t / (n_t + np.asarray(n_c, dtype=np.float64))
    # The beta's spread of the log ratio is 1 / η, its mean no difference.
    total = eta / (share * (1 - share))
    a, b = total * share, total * (1 - share)
    return t, c, share, special.betaln(a + t, b + c) - special.betaln(a, b) + math.log(1 - confidence)


def _crossing(t: Float, c: Float, least: Float, outside: Float, inside: Float) -> Float:
    """Log odds between `outside` and `inside` where the likelihood of t and c events falls to `least` (bisection)."""
    inside = inside.astype(np.float64)
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        above = t * special.log_expit(middle) + c * special.log_expit(-middle) >= least
        inside, outside = np.where(above, middle, inside), np.where(above, outside, middle)
    return outside  # the wider side


def lies_beyond(
    log_ratio_of: float,
    events_t: ArrayLike,
    n_t: ArrayLike,
    events_c: ArrayLike,
    n_c: ArrayLike,
    confidence: float,
    eta: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(whole always-valid interval below this log ratio, whole interval above it), without looking for its bounds."""
    t, c, share, least = _mixture(events_t, n_t, events_c, n_c, confidence, eta)
    odds = log_ratio_of + np.log(share / (1 - share))
    out = t * special.log_expit(odds) + c * special.log_expit(-odds) < least
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.log(t) - np.log(c) < odds
    return out & below, out & ~below


def mixture_for(information: float, confidence: float) -> float:
    """η with which the always-valid interval leaves out "no difference" at the smallest estimate, at this information
    (1 / se² of the log ratio).

    For large counts, no difference is left out from an estimate of sqrt((I + η) · log((I + η) / (η α²))) / I on.
    Setting the derivative of its square to zero gives x − 1 − log x = −2 log α for x = (I + η) / η, solved by Lambert's
    W (Howard et al. 2021, section 3.5).

    Raises:
        ValueError: the information is not above 0.
    """
    if not information > 0:
        raise ValueError(f"information is {information}; it must be above 0")
    return information / (_tightest(confidence) - 1)


def mixture_for_reach(reach: float, confidence: float) -> float:
    """η with which an estimate of this size (on the log scale) leaves out "no difference" with the least information.

    For readings whose sample is not known beforehand but whose margin is: that information is x / reach², with x as in
    `mixture_for`.

    Raises:
        ValueError: the reach is not above 0.
    """
    if not reach > 0:
        raise ValueError(f"reach is {reach}; it must be above 0")
    return mixture_for(_tightest(confidence) / reach**2, confidence)


def _tightest(confidence: float) -> float:
    """x = (I + η) / η at which the squared reach is smallest."""
    return -float(np.real(special.lambertw(-((1 - confidence) ** 2) / math.e, -1)))


def information_of(control_rate: float, n_control: float, n_treatment: float, lift: float = 0.0) -> float:
    """1 / se² of the log ratio that these numbers promise; 0 where the rate is 0 or reaches 1."""
    treated = control_rate * (1 + lift)
    if not 0 < control_rate < 1 or not 0 < treated < 1 or min(n_control, n_treatment) <= 0:
        return 0.0
    return 1 / ((1 - treated) / (n_treatment * treated) + (1 - control_rate) / (n_control * control_rate))


def lift_of_means(mean_t: float, var_t: float, mean_c: float, var_c: float, confidence: float) -> RatioLift:
    """Fixed-horizon lift of two means; all figures None where the control's mean is not above 0.

    A treatment's mean of exactly 0 is a lift of −100 % whose interval ends there too; see `lift_of_rates` for rates.
    """
    if not (math.isfinite(mean_t) and math.isfinite(mean_c)) or mean_c <= 0 or mean_t < 0:
        return RatioLift(None, None, None, None, None, None, confidence)
    if mean_t == 0:
        return RatioLift(-1.0, -1.0, None, None, None, None, confidence)
    estimate, se = (float(v) for v in log_ratio(mean_t, var_t, mean_c, var_c))
    return _lift(math.expm1(estimate), estimate, se, confidence)


def lift_of_rates(events_t: int, n_t: int, events_c: int, n_c: int, confidence: float) -> RatioLift:
    """Fixed-horizon lift of two shares of users.

    With no event in one arm, half an event is added to both for the interval (Walter 1975), not for the estimate: an
    arm in which nobody clicked is bad news that must not read as "no figure".
    """
    if n_t <= 0 or n_c <= 0 or events_c + events_t == 0:
        return RatioLift(None, None, None, None, None, None, confidence)
    add = 0.5 if min(events_t, events_c) == 0 else 0.0
    mean_t, var_t = rate(events_t + add, n_t + add)
    mean_c, var_c = rate(events_c + add, n_c + add)
    centre, se = (float(v) for v in log_ratio(mean_t, var_t, mean_c, var_c))
    estimate = None if events_c == 0 else (events_t / n_t) / (events_c / n_c) - 1
    return _lift(estimate, centre, se, confidence)


def always_valid_lift(events_t: int, n_t: int, events_c: int, n_c: int, confidence: float, eta: float) -> RatioLift:
    """Lift of two shares of users with bounds that hold on every day at once.

    `z`, `p_value` and `se_log` are not given, being of one look.
    """
    plain = dataclasses.replace(
        lift_of_rates(events_t, n_t, events_c, n_c, confidence),
        low=None, high=None, z=None, p_value=None, se_log=None,
    )  # fmt: skip
    if min(n_t, n_c) <= 0 or events_t + events_c == 0:
        return plain
    low, high = (float(v) for v in always_valid_bounds(events_t, n_t, events_c, n_c, confidence, eta))
    return dataclasses.replace(plain, low=_expm1(low), high=_expm1(high))


def _lift(estimate: float | None, centre: float, se: float, confidence: float) -> RatioLift:
    if se == 0:
        # No spread at all, as when everybody clicked: the interval is a point.
        return RatioLift(estimate, _expm1(centre), _expm1(centre), None, None, 0.0, confidence)
    low, high = (float(v) for v in fixed_bounds(np.asarray(centre), np.asarray(se), confidence))
    z = centre / se
    return RatioLift(estimate, _expm1(low), _expm1(high), z, float(2 * scipy.stats.norm.sf(abs(z))), se, confidence)


def _expm1(value: float) -> float | None:
    """exp(value) − 1, or None beyond what a figure can say."""
    return math.expm1(value) if value < 700 else None
