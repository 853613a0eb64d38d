"""Are the gates right as often as they say? Simulated experiments, judged by the very functions that judge real ones.

What belongs here: drawing whole experiments day by day, and counting what the combined procedure (daily looks and the
final rule together) says about them. What does not: the rules (gate2.py, lift_rule.py, readout.py).

A user's first click comes on day d with a hazard that follows the weekday; users who clicked before are three times as
likely to click as the others, which is the history that CUPED uses. Arms differ by the planted lift. A treatment may
only change clicks: buyers and unsubscribes are drawn alike in both arms, so that the guardrails' false alarms cost
power as they would in truth.

Shape letters: R simulated experiments, D days, A arms (control, treatment), H history (no click before, a click).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its stats load when they are first asked for
from numpy.typing import NDArray

from gnn_core.config import EvaluationSettings, ExperimentSettings, Gate1Settings
from gnn_core.errors import ShapeError
from gnn_core.evaluation.bootstrap import lift_of, resampled_sums, sum_by_user
from gnn_core.evaluation.gate import judge_gate1
from gnn_core.experiment.intervals import (
    fixed_bounds,
    information_of,
    lies_beyond,
    log_ratio,
    mixture_for,
    rate,
)
from gnn_core.experiment.power import users_needed
from gnn_core.experiment.srm import mismatch_p_values

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

WEEKDAYS = (1.4, 1.2, 1.1, 1.0, 0.9, 0.7, 0.7)
"""Relative click hazard, Monday first: e-mails are read at the start of the week."""
CLICKED_BEFORE, TIMES_AS_LIKELY = 0.02, 3.0
"""Share of the users with a click in their history, and how much more likely they click again."""
BUYERS = 0.1
"""Customers who buy for each who clicks."""
UNSUBSCRIBES = 0.3
"""Customers who unsubscribe for each who clicks."""


@dataclass(frozen=True)
class Proportion:
    """A share of simulated experiments, with its Wilson interval of 95 %."""

    estimate: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, hits: int, n: int) -> Proportion:
        """From a count (Wilson 1927)."""
        z = float(scipy.stats.norm.ppf(0.975))
        p, scale = hits / n, 1 + z**2 / n
        centre = (p + z**2 / (2 * n)) / scale
        reach = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / scale
        low, high = centre - reach, centre + reach
        # Exactly 0 and 1 at the ends, where rounding would leave a trace of the other side.
        return cls(p, 0.0 if hits == 0 else low, 1.0 if hits == n else high, n)

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Draws:
    """R simulated experiments: cumulative distinct clickers and buyers of each arm on each day."""

    users: tuple[int, int]
    by_history: tuple[tuple[int, int], tuple[int, int]]
    """Users of each arm without and with a click in their history."""
    clickers_RDAH: Int
    buyers_RDA: Int
    unsubscribed_RA: Int

    @property
    def clickers_RDA(self) -> Int:
        """Summed over histories."""
        return self.clickers_RDAH.sum(axis=3)


def draw_experiments(
    rng: np.random.Generator, runs: int, users: int, base_rate: float, lift: float, days: int
) -> Draws:
    """R experiments with `users` in each arm; control clicks at `base_rate` over the whole length, treatment more by
    exactly `lift`."""
    returning = round(users * CLICKED_BEFORE)
    by_history = (users - returning, returning)
    average = (by_history[0] + TIMES_AS_LIKELY * by_history[1]) / users
    rate_AH = np.array([[base_rate / average * (1 + a) * t for t in (1.0, TIMES_AS_LIKELY)] for a in (0.0, lift)])
    weight_D = np.resize(np.array(WEEKDAYS), days) / np.resize(np.array(WEEKDAYS), days).sum()
    clickers = _first_times(rng, runs, np.array([by_history, by_history]), rate_AH, weight_D)
    buyers = _first_times(rng, runs, np.array([users, users]), np.full(2, base_rate * BUYERS), weight_D)
    left = rng.binomial(users, base_rate * UNSUBSCRIBES, size=(runs, 2))
    return Draws((users, users), (by_history, by_history), clickers, buyers, left)


def _first_times(rng: np.random.Generator, runs: int, users: Int, total: Float, weight_D: Float) -> Int:
    """Cumulative users who did it by the end of each day; shape (R, D, *users.shape). P(by day d) = total × weight."""
    by_D = np.cumsum(weight_D)
    counts = np.zeros((runs, len(weight_D), *users.shape), dtype=np.int64)
    left = np.broadcast_to(users, (runs, *users.shape)).copy()
    before = np.zeros_like(total)
    for day, reached in enumerate(by_D):
        hazard = (total * reached - before) / (1 - before)
        new = rng.binomial(left, hazard)
        left -= new
        before = total * reached
        counts[:, day] = users - left
    return counts


@dataclass(frozen=True)
class Said:
    """What the procedure said about each of R experiments."""

    passed_fixed_R: Bool
    """The final rule alone, guardrails included, as if nobody had looked before."""
    passed_R: Bool
    """The procedure as it is: daily looks may stop it, the final rule may pass it."""
    passed_any_look_R: Bool
    """As if somebody took any day's always-valid interval for the final word, or the final rule at the end."""
    stopped_R: Bool
    covered_fixed_R: Bool
    covered_adjusted_R: Bool
    """The same interval after CUPED."""
    covered_sequential_R: Bool
    """On every day at once."""


def judge_all(draws: Draws, lift: float, eta: float, settings: ExperimentSettings) -> Said:
    """Run every experiment through the daily looks and the final rule; `lift` is the truth to be covered."""
    clickers_RDA, buyers_RDA = draws.clickers_RDA, draws.buyers_RDA
    truth = math.log1p(lift)
    tau, few = math.log1p(settings.threshold), settings.min_control_clickers
    smaller_RD, _ = _beyond(clickers_RDA, tau, draws.users, eta, settings)
    _, better_RD = _beyond(clickers_RDA, 0.0, draws.users, eta, settings)
    fewer_buyers_RD, _ = _beyond(buyers_RDA, 0.0, draws.users, eta, settings)
    missed_RD = np.logical_or(*_beyond(clickers_RDA, truth, draws.users, eta, settings))
    early = slice(0, -1)
    # An interval below 0 is below τ as well.
    stops_RD = smaller_RD | fewer_buyers_RD
    stopped_R = np.asarray(stops_RD[:, early].any(axis=1))
    enough_R = clickers_RDA[:, -1, 0] >= few
    plain, plain_se = _final(clickers_RDA[:, -1], draws.users)
    adjusted, adjusted_se = _final_adjusted(draws)
    estimate, se = (adjusted, adjusted_se) if settings.cuped else (plain, plain_se)
    low_R, _ = fixed_bounds(estimate, se, settings.confidence)
    bought, bought_se = _final(buyers_RDA[:, -1], draws.users)
    _, bought_high_R = fixed_bounds(bought, bought_se, settings.confidence)
    left_low_R, _ = fixed_bounds(*_final(draws.unsubscribed_RA, draws.users), settings.confidence)
    harm_R = (bought_high_R < 0) | (left_low_R > 0)
    passed_fixed_R = enough_R & (estimate >= tau) & (low_R > 0) & ~harm_R
    with np.errstate(divide="ignore", invalid="ignore"):
        reached_RD = np.log(clickers_RDA[..., 1] / clickers_RDA[..., 0]) >= tau + math.log(
            draws.users[1] / draws.users[0]
        )
    return Said(
        passed_fixed_R=passed_fixed_R,
        passed_R=passed_fixed_R & ~stopped_R,
        passed_any_look_R=passed_fixed_R | (reached_RD & better_RD).any(axis=1),
        stopped_R=stopped_R,
        covered_fixed_R=_covers(plain, plain_se, truth, settings),
        covered_adjusted_R=_covers(adjusted, adjusted_se, truth, settings),
        covered_sequential_R=~np.asarray(missed_RD.any(axis=1)),
    )


def _beyond(
    counts_RDA: Int, log_ratio_of: float, users: tuple[int, int], eta: float, settings: ExperimentSettings
) -> tuple[Bool, Bool]:
    """(R, D) whether a day's always-valid interval lies wholly below, or above, a log ratio."""
    events_c, events_t = counts_RDA[..., 0], counts_RDA[..., 1]
    return lies_beyond(log_ratio_of, events_t, users[1], events_c, users[0], settings.confidence, eta)


def _final(counts_XA: Int, users: tuple[int, int]) -> tuple[Float, Float]:
    (mean_c, var_c), (mean_t, var_t) = (rate(counts_XA[..., a], users[a]) for a in (0, 1))
    return log_ratio(mean_t, var_t, mean_c, var_c)


def _final_adjusted(draws: Draws) -> tuple[Float, Float]:
    """CUPED with a history of 0 or 1, from counts: what summary.adjusted_means does user by user."""
    n_AH = np.array(draws.by_history, dtype=np.float64)
    y_RAH = draws.clickers_RDAH[:, -1].astype(np.float64)
    n_A, y_RA = n_AH.sum(axis=1), y_RAH.sum(axis=2)
    x_A = n_AH[:, 1] / n_A
    spread = (n_A * x_A * (1 - x_A)).sum()
    theta_R = (y_RAH[:, :, 1] - y_RA * x_A).sum(axis=1) / spread
    overall = n_AH[:, 1].sum() / n_A.sum()
    mean_RA = y_RA / n_A - theta_R[:, None] * (x_A - overall)
    covariance_RA = (y_RAH[:, :, 1] - y_RA * x_A) / (n_A - 1)
    variance_RA = (y_RA - y_RA**2 / n_A) / (n_A - 1)
    residual_RA = (
        variance_RA - 2 * theta_R[:, None] * covariance_RA + theta_R[:, None] ** 2 * n_A * x_A * (1 - x_A) / (n_A - 1)
    )
    return log_ratio(mean_RA[:, 1], residual_RA[:, 1] / n_A[1], mean_RA[:, 0], residual_RA[:, 0] / n_A[0])


def _covers(estimate: Float, se: Float, truth: float, settings: ExperimentSettings) -> Bool:
    low, high = fixed_bounds(estimate, se, settings.confidence)
    return (low <= truth) & (truth <= high)


def calibrate_gate2(
    settings: ExperimentSettings, *, base_rate: float, small_users: int, runs: int, seed: int
) -> dict[str, Proportion]:
    """The figures behind gate 2, at the planned size and at a small one.

    Args:
        base_rate: clickers per user under control in the planned days.
        small_users: users an arm of the small experiment.
        runs: simulated experiments behind each figure.
    Raises:
        ConfigError: the planned lift is no larger than the threshold.
    """
    planned = users_needed(base_rate, settings.planned_lift, settings)
    if planned is None:
        raise ShapeError(f"no number of users reaches the target power at a base rate of {base_rate}")
    rng = np.random.default_rng(seed)
    found: dict[str, Proportion] = {}
    for size, users in (("", planned), ("_small", small_users)):
        eta = mixture_for(information_of(base_rate, users, users, settings.planned_lift), settings.confidence)
        said = {}
        for lift in (0.0, settings.threshold, settings.planned_lift):
            draws = draw_experiments(rng, runs, users, base_rate, lift, settings.days)
            said[lift] = judge_all(draws, lift, eta, settings)
        null, at_tau, at_plan = said.values()
        found |= {
            f"false_pass_fixed{size}": _share(null.passed_fixed_R),
            f"false_pass_sequential{size}": _share(null.passed_any_look_R),
            f"false_pass_combined{size}": _share(null.passed_R),
            f"pass_at_threshold{size}": _share(at_tau.passed_R),
            f"power_at_plan{size}": _share(at_plan.passed_R),
            f"stopped_at_null{size}": _share(null.stopped_R),
            f"stopped_at_plan{size}": _share(at_plan.stopped_R),
        }
        for name, which in (("", null), ("_at_plan", at_plan)):
            found |= {
                f"coverage{name}{size}": _share(which.covered_fixed_R),
                f"coverage_adjusted{name}{size}": _share(which.covered_adjusted_R),
                f"coverage_sequential{name}{size}": _share(which.covered_sequential_R),
            }
    return found


def calibrate_srm(settings: ExperimentSettings, *, users: int, draws: int, seed: int) -> Proportion:
    """False alarms of the mismatch test among `draws` fair assignments of `users`."""
    treatment = np.random.default_rng(seed).binomial(users, settings.treatment_share, size=draws)
    alarms = mismatch_p_values(users - treatment, treatment, settings.treatment_share) < settings.srm_p_value
    return _share(alarms)


def calibrate_gate1(
    model_N: Float,
    baseline_N: Float,
    user_N: Int,
    gate: Gate1Settings,
    evaluation: EvaluationSettings,
    *,
    runs: int,
    seed: int,
) -> Proportion:
    """Gate 1's false pass on a real store: how often it passes when model and SQL are exchanged at random.

    Each run tosses a coin for each user; heads exchanges the two metric values in all of the user's windows. Then
    neither is better by construction, while users, their spread and the pairing stay real. 250 runs share one set of
    bootstrap draws, which leaves each of them as it is and makes two of them a little alike.

    Args:
        model_N, baseline_N, user_N: as of bootstrap.paired_lift.
    """
    users, place_N = np.unique(user_N, return_inverse=True)
    swap_UR = np.random.default_rng(seed).random((len(users), runs)) < 0.5
    passes = 0
    for start in range(0, runs, 250):
        swap_NC = swap_UR[:, start : start + 250][place_N]
        first_NC = np.where(swap_NC, baseline_N[:, None], model_N[:, None])
        second_NC = np.where(swap_NC, model_N[:, None], baseline_N[:, None])
        sums_UC = sum_by_user(np.concatenate([first_NC, second_NC], axis=1), user_N)
        sums_DC = resampled_sums(sums_UC, draws=evaluation.bootstrap_draws, seed=evaluation.seed + start)
        half = swap_NC.shape[1]
        for run in range(half):
            lift = lift_of(
                sums_DC[:, run],
                sums_DC[:, half + run],
                first_NC[:, run],
                second_NC[:, run],
                n_users=len(users),
                confidence=evaluation.confidence,
            )
            passes += judge_gate1(lift, gate).passed
    return Proportion.of(passes, runs)


def _share(hits: NDArray[np.bool_] | Sequence[bool]) -> Proportion:
    array = np.asarray(hits)
    return Proportion.of(int(array.sum()), len(array))
