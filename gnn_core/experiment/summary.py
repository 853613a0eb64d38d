"""What each arm did: counts, means and their variances, by metric.

What belongs here: sums over the users of an arm. What does not: which rows count (engagement.py), comparisons of arms
(readout.py).

Shape letters: U users of one arm.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class ArmCounts:
    """One arm, or one tier of it: how many users, and what they did. Distinct counts; revenue in USD."""

    arm: str
    users: int
    mailed: int
    """Users who were sent at least one e-mail."""
    sends: int
    opens: int
    clicks: int
    """Sends clicked at least once."""
    clickers: int
    """Users who clicked at least once."""
    buyers: int
    orders: int
    revenue: float

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def count_arm(users: pd.DataFrame, arm: str) -> ArmCounts:
    """Sums over the users of `arm` in the frame of engagement.py."""
    mine = users[users["arm"] == arm]
    return ArmCounts(
        arm=arm,
        users=len(mine),
        mailed=int((mine["sends"] > 0).sum()),
        sends=int(mine["sends"].sum()),
        opens=int(mine["opens"].sum()),
        clicks=int(mine["clicks"].sum()),
        clickers=int(mine["clicked"].sum()),
        buyers=int(mine["bought"].sum()),
        orders=int(mine["orders"].sum()),
        revenue=float(mine["revenue"].sum()),
    )


def mean_of(values_U: Float) -> tuple[float, float]:
    """(mean, variance of the mean); NaN for fewer than two users."""
    if len(values_U) < 2:
        return float("nan"), float("nan")
    return float(values_U.mean()), float(values_U.var(ddof=1) / len(values_U))


def ratio_of(numerator_U: Float, denominator_U: Float) -> tuple[float, float]:
    """(Σ numerator / Σ denominator, its variance) with users as the independent units (delta method).

    A user's several sends are alike, so that counting sends as independent would make the interval too narrow
    (Deng, Knoblich and Lu 2018, Applying the delta method in metric analytics). NaN where nothing was sent.
    """
    n = len(numerator_U)
    if n < 2 or denominator_U.sum() <= 0:
        return float("nan"), float("nan")
    ratio = float(numerator_U.sum() / denominator_U.sum())
    residual_U = numerator_U - ratio * denominator_U
    return ratio, float(residual_U.var(ddof=1) / (n * denominator_U.mean() ** 2))


@dataclass(frozen=True)
class Adjusted:
    """Means of both arms with what the history explains taken out (CUPED)."""

    mean_control: float
    var_control: float
    mean_treatment: float
    var_treatment: float
    theta: float
    variance_kept: float
    """Variance of the difference after the adjustment over before; below 1 is what history was good for."""


def adjusted_means(y_control: Float, x_control: Float, y_treatment: Float, x_treatment: Float) -> Adjusted | None:
    """CUPED (Deng et al. 2013): y − θ (x − mean of x over all assigned users), θ pooled within the arms.

    The assigned users are the whole population, so the overall mean of x is a constant; it is known from before the
    assignment, so the adjustment cannot take a part of the effect away.

    Returns:
        None when the history does not vary within the arms, and there is nothing to adjust by.
    """
    if min(len(y_control), len(y_treatment)) < 2:
        return None
    within = [(y - y.mean(), x - x.mean()) for y, x in ((y_control, x_control), (y_treatment, x_treatment))]
    spread = sum(float(x @ x) for _, x in within)
    if spread <= 0:
        return None
    theta = sum(float(y @ x) for y, x in within) / spread
    centre = float(np.concatenate([x_control, x_treatment]).mean())
    mean_c, var_c = mean_of(y_control - theta * (x_control - centre))
    mean_t, var_t = mean_of(y_treatment - theta * (x_treatment - centre))
    before = mean_of(y_control)[1] + mean_of(y_treatment)[1]
    kept = (var_c + var_t) / before if before > 0 else 1.0
    return Adjusted(mean_c, var_c, mean_t, var_t, theta, kept)
