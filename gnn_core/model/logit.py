"""A conditional logit of a few weights: what was taken, among what could have been.

What belongs here: the likelihood, the penalty and how strong it is. What does not: features and who chooses.

Shape letters: C choosers, R rows (chooser, candidate), K features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from gnn_core.config.paths import PathSettings

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Choices:
    """Candidates of each chooser, with what was taken."""

    x_RK: NDArray[np.float32]
    weight_R: Float
    """Above 0 where the chooser took the product."""
    log_scale_R: Float
    """0, or log of how many candidates a drawn one stands for."""
    first_C: NDArray[np.int64]
    """First row of each chooser."""


def fit_logit(
    parts: Sequence[Choices],
    names: Sequence[str],
    prior: Mapping[str, float],
    settings: PathSettings,
    *,
    leading: int = 0,
) -> dict[str, float]:
    """Weights under which what was taken is most likely, with a penalty on leaving the prior.

    The penalty is chosen by leaving out one part after the other: the strongest whose likelihood on what was left out
    is within one standard error of the best. With few choosers the data cannot tell, and the prior stays.

    A list shows the first few of hundreds of candidates, and the likelihood of all candidates is mostly about the
    others. With enough choosers the weights are therefore fitted once more, from the first fit on, among the `leading`
    candidates that it ranks highest.

    Args:
        parts: choices described by features that never saw the part's own choosers.
        names: of the features. prior: weight of a feature before any evidence; 0 where none is given.
        settings: the penalties to choose from, and when there is no need to.
        leading: candidates of a chooser in the second fit; 0 = there is none.
    Sources: McFadden (1974), conditional logit; Breiman et al. (1984), one standard error.
    """
    prior_K = np.array([prior.get(name, 0.0) for name in names])
    parts = [part for part in parts if len(part.first_C)]
    if not parts:
        return dict(zip(names, prior_K.tolist(), strict=True))
    penalty = _penalty(parts, prior_K, settings)
    weights_K = _fit(parts, prior_K, penalty)
    if leading and _enough(parts, settings):
        among = [_leading(part, weights_K, leading) for part in parts]
        among = [part for part in among if len(part.first_C)]
        weights_K = _fit(among, weights_K, penalty) if among else weights_K
    return dict(zip(names, weights_K.tolist(), strict=True))


def _enough(parts: Sequence[Choices], settings: PathSettings) -> bool:
    return sum(len(part.first_C) for part in parts) >= settings.enough_choosers


def _leading(part: Choices, weights_K: Float, most: int) -> Choices:
    """The candidates of highest utility, of choosers who took one of them; at a tie the first."""
    n_C = np.diff(np.append(part.first_C, len(part.weight_R)))
    chooser_R = np.repeat(np.arange(len(n_C)), n_C)
    order_R = np.lexsort((-(part.x_RK.astype(np.float64) @ weights_K), chooser_R))
    place_R = np.empty(len(order_R), dtype=np.int64)
    place_R[order_R] = np.arange(len(order_R)) - part.first_C[chooser_R]
    kept_R = place_R < most
    took_C = np.bincount(chooser_R[kept_R], weights=part.weight_R[kept_R], minlength=len(n_C)) > 0
    kept_R &= took_C[chooser_R]
    first_C = np.flatnonzero(np.diff(chooser_R[kept_R], prepend=-1))
    return Choices(part.x_RK[kept_R], part.weight_R[kept_R], part.log_scale_R[kept_R], first_C)


def _penalty(parts: Sequence[Choices], prior_K: Float, settings: PathSettings) -> float:
    penalties = settings.logit_penalties
    if _enough(parts, settings):
        return penalties[1]
    if len(parts) < 2:
        return penalties[-1]
    value_GC = np.stack([np.concatenate(_left_out(parts, prior_K, penalty)) for penalty in penalties])
    best = int(np.argmax(value_GC.sum(axis=1)))
    behind_GC = value_GC[best] - value_GC
    error_G = behind_GC.std(axis=1) * np.sqrt(behind_GC.shape[1])
    good = np.flatnonzero(behind_GC.sum(axis=1) <= error_G)
    return penalties[int(good.max(initial=best))]


def _left_out(parts: Sequence[Choices], prior_K: Float, penalty: float) -> list[Float]:
    """Log likelihood of each chooser under weights fitted on the other parts."""
    values = []
    for k, part in enumerate(parts):
        weights_K = _fit([p for i, p in enumerate(parts) if i != k], prior_K, penalty)
        values.append(_log_likelihood(part.x_RK.astype(np.float64) @ weights_K, part)[0])
    return values


def _fit(parts: Sequence[Choices], prior_K: Float, penalty: float) -> Float:
    joined = _joined(parts)
    x_RK = joined.x_RK.astype(np.float64)

    def negative(w_K: Float) -> tuple[float, Float]:
        value_C, pull_R = _log_likelihood(x_RK @ w_K, joined)
        away = w_K - prior_K
        return penalty * float(away @ away) - float(value_C.sum()), 2.0 * penalty * away - x_RK.T @ pull_R

    return optimize.minimize(negative, prior_K, jac=True, method="L-BFGS-B", options={"maxiter": 100, "ftol": 1e-7}).x


def _log_likelihood(logit_R: Float, of: Choices) -> tuple[Float, Float]:
    """(C,) log likelihood, and (R,) its derivative by each logit."""
    chooser_R = np.repeat(np.arange(len(of.first_C)), np.diff(np.append(of.first_C, len(logit_R))))
    scaled_R = logit_R + of.log_scale_R
    top_C = np.maximum.reduceat(scaled_R, of.first_C)
    exp_R = np.exp(scaled_R - top_C[chooser_R])
    sum_C = np.add.reduceat(exp_R, of.first_C)
    taken_C = np.add.reduceat(of.weight_R, of.first_C)
    value_C = np.add.reduceat(of.weight_R * logit_R, of.first_C) - taken_C * (np.log(sum_C) + top_C)
    return value_C, of.weight_R - exp_R * (taken_C / sum_C)[chooser_R]


def _joined(parts: Sequence[Choices]) -> Choices:
    offset = np.cumsum([0] + [len(part.weight_R) for part in parts[:-1]])
    return Choices(
        np.concatenate([part.x_RK for part in parts]),
        np.concatenate([part.weight_R for part in parts]),
        np.concatenate([part.log_scale_R for part in parts]),
        np.concatenate([part.first_C + o for part, o in zip(parts, offset, strict=True)]),
    )
