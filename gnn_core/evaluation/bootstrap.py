"""How sure we are: paired bootstrap over users, and Holm's correction for many comparisons.

What belongs here: resampling, intervals, p-values. What does not: metrics (metrics.py), verdicts (gate.py).

A user is drawn with everything that is theirs: all their cuts, and every model's result. So a lucky or an unlucky
window of one user moves model and baseline together, which is what makes the comparison a paired one.

Shape letters: N rows (user × cut), U distinct users, C columns resampled together, D draws.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gnn_core.errors import ShapeError
from gnn_core.snapshot import Int

_GRID = 2.0**30
"""Values are rounded to this fraction before they are resampled: sums of such numbers are exact in float64, so a
matrix product gives the same bytes in any order of summation, on one thread or on many. The error is below 1e-9."""
_CHUNK = 4_000_000
"""Weights held in memory at a time: 32 MB."""


@dataclass(frozen=True)
class Lift:
    """Relative lift of a model's mean over the baseline's, with a two-sided interval.

    A figure is None where the data allow none: `estimate` when the baseline has no hit at all; `high` when so many
    draws had a baseline of zero that no upper bound exists. Never NaN, never infinite.
    """

    estimate: float | None
    low: float | None
    high: float | None
    model_mean: float
    baseline_mean: float
    n_users: int
    """Distinct users resampled."""
    n_rows: int
    """User-windows; more than users when there are several cuts."""
    n_baseline_hits: int
    """User-windows in which the baseline has at least one hit: what a ratio of hits rests on."""
    p_value: float
    """Two-sided bootstrap p-value of "no difference"; never below 2 / (draws + 1)."""
    confidence: float
    draws: int
    undefined_draws: int
    """Draws whose baseline was zero. They count as −100 % for the lower and as unbounded for the upper limit."""

    def __post_init__(self) -> None:
        for name in ("estimate", "low", "high", "model_mean", "baseline_mean", "p_value"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"Lift.{name} is {value}; a figure that does not exist is None")

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def paired_lift(
    model_N: NDArray[np.float64],
    baseline_N: NDArray[np.float64],
    user_N: Int,
    *,
    draws: int,
    confidence: float,
    seed: int,
) -> Lift:
    """mean(model) / mean(baseline) − 1 over user-windows, with its percentile interval.

    Args:
        model_N, baseline_N: one metric value a user-window, in the same order, 0 for a user without a list.
        user_N: who each row belongs to; rows of one user are resampled together.
        draws: bootstrap resamples; confidence: two-sided, such as 0.95; seed: of the resampling.
    Raises:
        ShapeError: the vectors differ in length, or hold a value that is not finite and ≥ 0.
    """
    if model_N.shape != baseline_N.shape or model_N.shape != user_N.shape or model_N.ndim != 1:
        raise ShapeError(
            f"model {model_N.shape}, baseline {baseline_N.shape} and user {user_N.shape} need one entry a row"
        )
    values_NC = np.stack([model_N, baseline_N], axis=1).astype(np.float64)
    sums_UC = sum_by_user(values_NC, user_N)
    sums_DC = resampled_sums(sums_UC, draws=draws, seed=seed)
    return lift_of(sums_DC[:, 0], sums_DC[:, 1], model_N, baseline_N, n_users=len(sums_UC), confidence=confidence)


def sum_by_user(values_NC: NDArray[np.float64], user_N: Int) -> NDArray[np.float64]:
    """(U, C) totals of each distinct user, users ascending.

    Raises:
        ShapeError: a value is not finite or is negative; metrics are neither.
    """
    if not (np.isfinite(values_NC) & (values_NC >= 0)).all():
        raise ShapeError("a metric value is negative, NaN or infinite; a user without a list counts as 0")
    users, place_N = np.unique(user_N, return_inverse=True)
    sums_UC = np.zeros((len(users), values_NC.shape[1]))
    np.add.at(sums_UC, place_N, values_NC)
    return sums_UC


def resampled_sums(values_UC: NDArray[np.float64], *, draws: int, seed: int) -> NDArray[np.float64]:
    """(D, C) column totals of `draws` resamples of the users, with replacement (exact multinomial weights).

    One draw weighs all columns alike, so any two of them can be compared pair by pair.
    """
    n_users, n_columns = values_UC.shape
    sums_DC = np.zeros((draws, n_columns))
    if n_users == 0:
        return sums_DC
    grid_UC = np.round(values_UC * _GRID)
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // n_users)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = rng.integers(0, n_users, size=(rows, n_users))
        drawn += np.arange(rows)[:, None] * n_users
        weight_DU = np.bincount(drawn.ravel(), minlength=rows * n_users).reshape(rows, n_users).astype(np.float64)
        sums_DC[start : start + rows] = weight_DU @ grid_UC
    return sums_DC / _GRID


def lift_of(
    model_D: NDArray[np.float64],
    baseline_D: NDArray[np.float64],
    model_N: NDArray[np.float64],
    baseline_N: NDArray[np.float64],
    *,
    n_users: int,
    confidence: float,
) -> Lift:
    """The Lift of resampled totals (D) and observed values (N)."""
    n_rows, draws = len(model_N), len(model_D)
    model_mean = float(model_N.mean()) if n_rows else 0.0
    baseline_mean = float(baseline_N.mean()) if n_rows else 0.0
    undefined_D = baseline_D <= 0
    estimate = low = high = None
    if baseline_mean > 0:
        estimate = model_mean / baseline_mean - 1
        ratio_D = np.divide(model_D, baseline_D, out=np.full(draws, np.nan), where=~undefined_D) - 1
        tail = (1 - confidence) / 2
        low = float(np.quantile(np.where(undefined_D, -1.0, ratio_D), tail))
        # An order statistic instead of interpolation once a draw is unbounded, since ∞ − ∞ is no number.
        method: Literal["higher", "linear"] = "higher" if undefined_D.any() else "linear"
        upper = float(np.quantile(np.where(undefined_D, np.inf, ratio_D), 1 - tail, method=method))
        high = upper if math.isfinite(upper) else None
    return Lift(
        estimate=estimate,
        low=low,
        high=high,
        model_mean=model_mean,
        baseline_mean=baseline_mean,
        n_users=n_users,
        n_rows=n_rows,
        n_baseline_hits=int((baseline_N > 0).sum()),
        p_value=_p_value(model_D - baseline_D),
        confidence=confidence,
        draws=draws,
        undefined_draws=int(undefined_D.sum()),
    )


def _p_value(difference_D: NDArray[np.float64]) -> float:
    """Twice the smaller share of draws on either side of zero, the observed sample counted as one draw more."""
    below, above = int((difference_D <= 0).sum()), int((difference_D >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (len(difference_D) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the given order; each is compared with the family's error rate.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    adjusted, running = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - place)))
        adjusted[index] = running
    return adjusted
