"""How much each path of the graph counts, learned from what hidden users took among what fits their vehicles.

What belongs here: a conditional logit over path features, fitted on users whose own events the features never saw.
What does not: the features (paths.py), training by gradient steps (training/).

A user's utility for a product is the mean over their vehicles of the pair's features, plus the product's own. A handful
of weights: they can be learned from the few hundred users of a small store, where an embedding cannot.

Shape letters: C choosers, S segments, P products, F fitment pairs, R rows (chooser, candidate), K features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.paths import COLD_FEATURES, PRODUCT_FEATURES, PathSettings
from gnn_core.model.logit import Choices, fit_logit
from gnn_core.model.paths import PathFeatures
from gnn_core.model.shrinkage import Evidence, Fitting
from gnn_core.snapshot import Int
from gnn_core.training.examples import ragged

Float = NDArray[np.float64]


@dataclass(frozen=True)
class PathWeights:
    """Weight of each feature, by name."""

    by_name: Mapping[str, float]

    def lift(self, features: PathFeatures, fitting: Fitting) -> NDArray[np.float32]:
        """(S, P) weighted sum of what the paths say of each segment and product."""
        lift_SP = np.zeros((fitting.n_segments, fitting.n_products), dtype=np.float32)
        for name, wide_SP in features.wide.items():
            lift_SP += np.float32(self.by_name[name]) * wide_SP
        fit_F = np.zeros(len(fitting.segment_F), dtype=np.float32)
        for name, value_F in features.fit.items():
            fit_F += np.float32(self.by_name[name]) * value_F
        lift_SP[fitting.segment_F, fitting.product_F] += fit_F
        return lift_SP

    @property
    def product_K(self) -> NDArray[np.float32]:
        """Weights of the product features."""
        return np.array([self.by_name[n] for n in (*PRODUCT_FEATURES, *COLD_FEATURES)], dtype=np.float32)


def choices(
    features: PathFeatures,
    fitting: Fitting,
    owns_US: sparse.csr_matrix,
    hidden: Evidence,
    rng: np.random.Generator,
    settings: PathSettings,
) -> Choices:
    """What hidden users took among what fits their vehicles, described by features that never saw these users.

    Args:
        features: made from other users' events.
        fitting: candidates of each segment.
        owns_US: ownership of all users.
        hidden: what the hidden users took.
        rng: draws choosers and candidates where there are too many.
        settings: how many choosers and candidates at most.
    """
    took = np.flatnonzero(np.diff(hidden.by_user_UP.indptr))
    size_S = np.bincount(fitting.segment_F, minlength=fitting.n_segments)
    rows = float((sparse.csr_matrix(owns_US[took], dtype=np.float64) @ size_S).mean()) if len(took) else 0.0
    most = min(settings.choosers, max(1, int(settings.candidate_rows / max(rows, 1.0))))
    user_C = np.sort(rng.choice(took, size=min(most, len(took)), replace=False))
    owns_CS = sparse.csr_matrix(owns_US[user_C])
    key_R, fit_x = _candidate_rows(features, fitting, owns_CS)
    chooser_R, product_R = np.divmod(key_R, fitting.n_products)
    taken = hidden.by_user_UP[user_C].tocoo()
    at = np.searchsorted(key_R, taken.row.astype(np.int64) * fitting.n_products + taken.col)
    at[at == len(key_R)] = 0
    reached = key_R[at] == taken.row.astype(np.int64) * fitting.n_products + taken.col if len(key_R) else at > 0
    weight_R = np.bincount(at[reached], weights=taken.data[reached], minlength=len(key_R)).astype(np.float64)
    per_C = np.bincount(chooser_R, weights=weight_R, minlength=len(user_C)).astype(np.float64)
    keep, log_scale_R = _thinned(chooser_R, weight_R, per_C, settings.candidates, rng)
    chooser_R = chooser_R[keep]
    # A user of many orders counts by their root: orders of one user are not independent.
    weight_R = weight_R[keep] / np.sqrt(np.maximum(per_C, 1.0))[chooser_R]
    wide_x = _wide_rows(features, owns_CS, chooser_R, product_R[keep])
    x_RK = np.concatenate([wide_x, fit_x[keep], features.product_PK[product_R[keep]]], axis=1)
    first_C = np.flatnonzero(np.diff(chooser_R, prepend=-1))
    return Choices(x_RK, weight_R, log_scale_R[keep], first_C)


def _candidate_rows(
    features: PathFeatures, fitting: Fitting, owns_CS: sparse.csr_matrix
) -> tuple[Int, NDArray[np.float32]]:
    """Keys (chooser · P + product) of everything that fits, ascending, and the mean fit features over the vehicles."""
    start_S = np.searchsorted(fitting.segment_F, np.arange(fitting.n_segments + 1))
    n_C = np.diff(owns_CS.indptr)
    chooser_O = np.repeat(np.arange(owns_CS.shape[0]), n_C)
    owner, pair = ragged(start_S[owns_CS.indices], start_S[owns_CS.indices + 1])
    chooser = chooser_O[owner]
    key, place = np.unique(chooser * np.int64(fitting.n_products) + fitting.product_F[pair], return_inverse=True)
    mean = np.empty((len(key), len(features.fit)), dtype=np.float32)
    for k, value_F in enumerate(features.fit.values()):
        mean[:, k] = np.bincount(place, weights=value_F[pair] / n_C[chooser], minlength=len(key))
    return key, mean


def _wide_rows(
    features: PathFeatures, owns_CS: sparse.csr_matrix, chooser_R: Int, product_R: Int
) -> NDArray[np.float32]:
    """(R, K) means of the wide features over each chooser's vehicles."""
    n_R = np.diff(owns_CS.indptr)[chooser_R]
    total = np.zeros((len(chooser_R), len(features.wide)), dtype=np.float32)
    for nth in range(int(n_R.max(initial=0))):
        rows = np.flatnonzero(n_R > nth)
        segment = owns_CS.indices[owns_CS.indptr[chooser_R[rows]] + nth]
        for k, wide_SP in enumerate(features.wide.values()):
            total[rows, k] += wide_SP[segment, product_R[rows]]
    return total / np.maximum(n_R, 1)[:, None].astype(np.float32)


def _thinned(
    chooser_R: Int, weight_R: Float, per_C: Float, most: int, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], Float]:
    """Which rows to keep: all of what was taken, and of the rest so many a chooser; choosers who took nothing go."""
    useful = per_C[chooser_R] > 0
    rest = useful & (weight_R <= 0)
    n_rest_C = np.bincount(chooser_R[rest], minlength=len(per_C))
    chance_C = np.minimum(1.0, most / np.maximum(n_rest_C, 1))
    drawn = rest & (rng.random(len(chooser_R)) < chance_C[chooser_R])
    log_scale_R = np.where(rest, -np.log(chance_C)[chooser_R], 0.0)
    return (useful & (weight_R > 0)) | drawn, log_scale_R


def fit_weights(parts: Sequence[Choices], settings: PathSettings) -> PathWeights:
    """The weights of all features, from the choices of every fold's hidden users."""
    names = [name for name in settings.features if name not in settings.left_out]
    column_K = [settings.features.index(name) for name in names]
    told = [replace(part, x_RK=part.x_RK[:, column_K]) for part in parts] if settings.left_out else parts
    by_name = fit_logit(told, names, settings.prior, settings, leading=settings.leading_candidates)
    return PathWeights(dict.fromkeys(settings.left_out, 0.0) | by_name)
