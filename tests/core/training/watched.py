"""A look at what the weights of the paths and of histories are fitted on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gnn_core.config import Settings
from gnn_core.graph.hetero import build_structure
from gnn_core.model.intent import Window
from gnn_core.model.paths import PathFeatures
from gnn_core.model.preference import PathWeights
from gnn_core.model.shrinkage import Evidence, Fitting
from gnn_core.snapshot import Events, Snapshot
from gnn_core.training import constants
from gnn_core.training.constants import ConstantMaker, Weights
from gnn_core.training.determinism import pinned
from gnn_core.training.examples import fold_of_users
from tests.core.model.worlds import small_settings


@dataclass
class Seen:
    """What `learn` fitted on."""

    described: list[tuple[PathFeatures, Evidence]] = field(default_factory=list)
    """Features and choosers of each part of the path weights: folds first, then windows."""
    windows: list[Window] = field(default_factory=list)
    paths: list[PathWeights] = field(default_factory=list)
    """Weights from the folds alone, then from folds and windows."""
    weights: Weights | None = None


def learn(train: Snapshot, settings: Settings | None = None, later: Events | None = None) -> Seen:
    """Learn the weights of a snapshot, and see what they are fitted on."""
    settings = settings or small_settings()
    seen = Seen()
    choices, fit_intent, fit_weights = constants.choices, constants.fit_intent, constants.fit_weights

    def watched_choices(features, fitting, owns_US, hidden, rng, paths):
        seen.described.append((features, hidden))
        return choices(features, fitting, owns_US, hidden, rng, paths)

    def watched_fit(windows, paths, history, **options):
        seen.windows.extend(windows)
        return fit_intent(windows, paths, history, **options)

    def watched_weights(parts, paths):
        seen.paths.append(fit_weights(parts, paths))
        return seen.paths[-1]

    fold_U = fold_of_users(train.user_ids, settings.training.folds, settings.training.seed)
    with pytest.MonkeyPatch.context() as patch, pinned(1, 0):
        patch.setattr(constants, "choices", watched_choices)
        patch.setattr(constants, "fit_intent", watched_fit)
        patch.setattr(constants, "fit_weights", watched_weights)
        maker = ConstantMaker(train, settings, build_structure(train))
        (seen.weights, *_) = maker.learn(fold_U, range(settings.training.folds), choices=later)
    return seen


def same(one: Any, other: Any) -> bool:
    """Whether two values, or all their fields and items, are equal to the bit."""
    if sparse.issparse(one):
        return one.shape == other.shape and (one != other).nnz == 0
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))


def fitting_of(train: Snapshot) -> Fitting:
    """Fitment pairs of a snapshot."""
    fits = build_structure(train).fits_SP.tocoo()
    return Fitting(fits.row.astype(np.int64), fits.col.astype(np.int64), train.make_S, len(train.product_ids), 50)
