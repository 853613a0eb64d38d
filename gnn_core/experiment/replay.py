"""What another policy would have earned on a log that was served by chance: counterfactual replay.

What belongs here: estimators of a policy's value from logged choices with known probabilities. What does not: policies.

The log must say with which probability it showed what it showed. Without that no estimator is right, and none is run.
SNIPS is Swaminathan and Joachims (2015), doubly robust is Dudík, Langford and Li (2011).

Shape letters: N logged rows, A actions.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its stats load when they are first asked for
from numpy.typing import NDArray

from gnn_core.errors import DataError, ShapeError

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class PolicyValue:
    """Expected reward of a policy, with its interval."""

    estimator: str
    value: float
    low: float
    high: float
    confidence: float
    effective_rows: float
    """(Σ w)² / Σ w²: rows of the policy's own log that would say as much. Few = the log hardly knows the policy."""
    rows: int

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def logged_value(reward_N: Float, *, confidence: float) -> PolicyValue:
    """Value of the policy that served the log itself: the mean reward."""
    _same_length(reward_N)
    return _value("on policy", float(reward_N.mean()), _se(reward_N), confidence, float(len(reward_N)), len(reward_N))


def snips_value(reward_N: Float, logged_N: Float, target_N: Float, *, confidence: float) -> PolicyValue:
    """Self-normalised inverse-propensity estimate: Σ w r / Σ w, w = target / logged probability of the shown action.

    Raises:
        DataError: a logged probability is missing, or not in (0, 1]: the log cannot be replayed.
    """
    weight_N = _weights(reward_N, logged_N, target_N)
    total = weight_N.sum()
    if total <= 0:
        raise DataError("replay: the target policy never does what the log shows, so the log says nothing about it")
    value = float(weight_N @ reward_N / total)
    # Delta method for a ratio of means.
    residual_N = weight_N * (reward_N - value) / weight_N.mean()
    return _value("SNIPS", value, _se(residual_N), confidence, effective_rows(weight_N), len(reward_N))


def doubly_robust_value(
    reward_N: Float,
    logged_N: Float,
    target_N: Float,
    predicted_N: Float,
    policy_predicted_N: Float,
    *,
    confidence: float,
) -> PolicyValue:
    """A reward model's estimate of the policy, corrected by what the log saw: right when model *or* probabilities are.

    Args:
        predicted_N: the model's reward of the shown action, fitted on other rows than these (see `cross_fitted`).
        policy_predicted_N: the model's reward of the target policy in the same situation, Σ_a target(a) · model(a).
    """
    weight_N = _weights(reward_N, logged_N, target_N)
    _same_length(reward_N, predicted_N, policy_predicted_N)
    corrected_N = policy_predicted_N + weight_N * (reward_N - predicted_N)
    return _value(
        "doubly robust",
        float(corrected_N.mean()),
        _se(corrected_N),
        confidence,
        effective_rows(weight_N),
        len(reward_N),
    )


def effective_rows(weight_N: Float) -> float:
    """Kish's effective sample size."""
    squares = float(weight_N @ weight_N)
    return float(weight_N.sum()) ** 2 / squares if squares > 0 else 0.0


def cross_fitted(
    action_N: Int, situation_N: Int, reward_N: Float, target_SA: Float, *, folds: int, strength: float, seed: int
) -> tuple[Float, Float]:
    """(predicted_N, policy_predicted_N) of a smoothed mean reward for each situation and action.

    Each row is predicted from the other folds, so that no row's own reward helps to predict it.

    Args:
        action_N: shown action; situation_N: such as the position on a page.
        target_SA: the policy's probability of each action in each situation; rows sum to 1.
        strength: pseudo-rows at the mean reward of the situation.
    """
    n_S, n_A = target_SA.shape
    _same_length(reward_N, action_N, situation_N)
    if not np.allclose(target_SA.sum(axis=1), 1):
        raise DataError("replay: the target policy's probabilities do not sum to 1 in every situation")
    fold_N = np.random.default_rng(seed).integers(0, folds, len(reward_N))
    predicted_N, policy_N = np.zeros(len(reward_N)), np.zeros(len(reward_N))
    for fold in range(folds):
        learn, apply = fold_N != fold, fold_N == fold
        cell = situation_N[learn] * n_A + action_N[learn]
        seen_SA = np.bincount(cell, minlength=n_S * n_A).reshape(n_S, n_A)
        sum_SA = np.bincount(cell, weights=reward_N[learn], minlength=n_S * n_A).reshape(n_S, n_A)
        mean_S = sum_SA.sum(axis=1) / np.maximum(1, seen_SA.sum(axis=1))
        model_SA = (sum_SA + strength * mean_S[:, None]) / (seen_SA + strength)
        predicted_N[apply] = model_SA[situation_N[apply], action_N[apply]]
        policy_N[apply] = (target_SA * model_SA).sum(axis=1)[situation_N[apply]]
    return predicted_N, policy_N


def _weights(reward_N: Float, logged_N: Float, target_N: Float) -> Float:
    _same_length(reward_N, logged_N, target_N)
    bad = ~(np.isfinite(logged_N) & (logged_N > 0) & (logged_N <= 1))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"replay: {int(bad.sum()):,} of {len(bad):,} rows have no logged probability in (0, 1] (first: row {row}, "
            f"{logged_N[row]}). Such a log cannot be replayed; log the probability of what is shown, or run an A/B test"
        )
    if not (np.isfinite(target_N) & (target_N >= 0) & (target_N <= 1)).all():
        raise DataError("replay: a probability of the target policy is not in [0, 1]")
    return target_N / logged_N


def _value(name: str, value: float, se: float, confidence: float, effective: float, rows: int) -> PolicyValue:
    reach = float(scipy.stats.norm.ppf((1 + confidence) / 2)) * se
    return PolicyValue(name, value, value - reach, value + reach, confidence, effective, rows)


def _se(values_N: Float) -> float:
    return float(values_N.std(ddof=1) / np.sqrt(len(values_N)))


def _same_length(*arrays: Float | Int) -> None:
    if len({len(a) for a in arrays}) > 1:
        raise ShapeError(f"replay: arrays of {[len(a) for a in arrays]} rows; each logged row needs one entry in each")
    if len(arrays[0]) < 2:
        raise DataError(f"replay: {len(arrays[0])} logged row(s); at least 2 are needed")
