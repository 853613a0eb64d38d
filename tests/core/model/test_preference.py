"""Choices of hidden users: candidates, their features, and what counts how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from gnn_core.config.paths import COLD_FEATURES, PRODUCT_FEATURES
from gnn_core.errors import ConfigError
from gnn_core.model.logit import Choices
from gnn_core.model.paths import PathFeatures
from gnn_core.model.preference import PathWeights, choices, fit_weights
from tests.core.model.tiny import PATHS, evidence_of, fitting_of, owning

FITTING = fitting_of([[0, 1], [1, 2]], [0, 1], 4)
OWNS = owning([0], [0, 1], [1], [], n_segments=2)
FEATURES, N_FIT, N_PRODUCT = PATHS.features, len(PATHS.fit_features), len((*PRODUCT_FEATURES, *COLD_FEATURES))


def made_up(seed: int = 0) -> PathFeatures:
    rng = np.random.default_rng(seed)
    return PathFeatures(
        {name: rng.normal(size=(2, 4)).astype(np.float32) for name in PATHS.wide_features},
        {name: rng.normal(size=4).astype(np.float32) for name in PATHS.fit_features},
        rng.normal(size=(4, N_PRODUCT)).astype(np.float32),
    )


def chosen(orders_UP, features=None, *, fitting=FITTING, owns=OWNS, **limits) -> Choices:
    hidden = evidence_of(orders_UP, owns)
    return choices(features or made_up(), fitting, owns, hidden, np.random.default_rng(0), replace(PATHS, **limits))


def test_candidates_are_what_fits_and_features_are_means_over_the_vehicles():
    """User 0 took product 1; user 1, of both segments, took products 0 and 2."""
    of = made_up()
    got = chosen([[0, 1, 0, 0], [3, 0, 1, 0], [0] * 4, [0] * 4], of)
    assert got.first_C.tolist() == [0, 2]
    # Rows: user 0 with 0 and 1, user 1 with 0, 1 and 2. Four orders of one user count as two.
    assert got.weight_R == pytest.approx([0, 1, 3 / 2, 0, 1 / 2])
    assert got.log_scale_R.tolist() == [0] * 5
    wide = np.stack(list(of.wide.values()), axis=2)
    fit = dict(zip([(0, 0), (0, 1), (1, 1), (1, 2)], np.stack(list(of.fit.values()), axis=1), strict=True))
    none = np.zeros(N_FIT)
    want = [
        [*wide[0, 0], *fit[0, 0], *of.product_PK[0]],
        [*wide[0, 1], *fit[0, 1], *of.product_PK[1]],
        # Product 0 fits one of two vehicles: what fits there counts half, what owners of both say counts in full.
        [*wide[:, 0].mean(axis=0), *(fit[0, 0] + none) / 2, *of.product_PK[0]],
        [*wide[:, 1].mean(axis=0), *(fit[0, 1] + fit[1, 1]) / 2, *of.product_PK[1]],
        [*wide[:, 2].mean(axis=0), *(none + fit[1, 2]) / 2, *of.product_PK[2]],
    ]
    assert got.x_RK == pytest.approx(np.array(want), abs=1e-6)


def test_the_score_of_weights_is_the_utility_that_was_fitted():
    """Mean lift of the vehicles plus the product's own, as the network adds them up."""
    of, rng = made_up(), np.random.default_rng(1)
    weights = PathWeights(dict(zip(FEATURES, rng.normal(size=len(FEATURES)), strict=True)))
    got = chosen([[0, 1, 0, 0], [3, 0, 1, 0], [0] * 4, [0] * 4], of)
    utility = got.x_RK @ np.array([weights.by_name[name] for name in FEATURES])
    lift, own = weights.lift(of, FITTING), of.product_PK @ weights.product_K
    want = [lift[0, 0], lift[0, 1], *lift[:, :3].mean(axis=0)] + own[[0, 1, 0, 1, 2]]
    assert utility == pytest.approx(want, abs=1e-5)


def test_who_took_nothing_that_fits_is_no_chooser():
    """Product 2 does not fit user 0's vehicle, product 3 fits nothing, user 3 owns nothing."""
    got = chosen([[0, 0, 1, 0], [0, 0, 0, 2], [0, 0, 1, 0], [1, 0, 0, 0]])
    assert got.first_C.tolist() == [0]
    assert got.weight_R.tolist() == [0, 1]  # user 2's candidates 1 and 2


@pytest.mark.parametrize("orders", [np.zeros((4, 4)), np.eye(4)[[3, 3, 3, 3]]])
def test_without_choosers_there_are_no_rows(orders):
    got = chosen(orders)
    assert got.x_RK.shape == (0, len(FEATURES))
    assert len(got.first_C) == len(got.weight_R) == 0
    assert dict(fit_weights([got], PATHS).by_name) == {name: PATHS.prior.get(name, 0.0) for name in FEATURES}


def test_when_nothing_fits_there_are_no_rows():
    assert len(chosen(np.ones((4, 4)), fitting=fitting_of([[], []], [0, 1], 4)).first_C) == 0


def test_drawn_candidates_stand_for_all_and_what_was_taken_always_stays():
    n_P = 101
    owns = owning(*[[0]] * 200, n_segments=1)
    orders = sparse.csr_matrix((np.ones(200), (np.arange(200), np.arange(200) % n_P)), shape=(200, n_P)).toarray()
    of = PathFeatures(
        dict.fromkeys(PATHS.wide_features, np.zeros((1, n_P), np.float32)),
        dict.fromkeys(PATHS.fit_features, np.zeros(n_P, np.float32)),
        np.zeros((n_P, N_PRODUCT), np.float32),
    )
    got = chosen(orders, of, fitting=fitting_of([range(n_P)], [0], n_P), owns=owns, candidates=10)
    assert len(got.first_C) == 200
    assert got.weight_R.sum() == 200
    assert (got.log_scale_R[got.weight_R > 0] == 0).all()
    assert got.log_scale_R[got.weight_R == 0] == pytest.approx(np.log(10))
    assert np.exp(got.log_scale_R).sum() / 200 == pytest.approx(n_P, rel=0.05)


def test_at_most_so_many_choosers_are_drawn():
    orders = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0] * 4]
    assert [len(chosen(orders, choosers=most).first_C) for most in (1, 2, 3, 9)] == [1, 2, 3, 3]


def test_choosers_are_bounded_by_the_rows_that_their_candidates_would_fill():
    """Users 0, 1 and 2 have 2, 4 and 2 pairs of vehicle and product: 8/3 on average."""
    orders = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0] * 4]
    for rows, choosers in ((8, 3), (6, 2), (1, 1)):
        assert len(chosen(orders, candidate_rows=rows).first_C) == choosers


def test_lift_is_by_name_and_fit_features_count_where_a_product_fits():
    of = made_up()
    weights = PathWeights(dict.fromkeys(FEATURES, 0.0) | {"taste": 2.0, "loyalty": 3.0})
    want = 2 * of.wide["taste"]
    want[[0, 0, 1, 1], [0, 1, 1, 2]] += 3 * of.fit["loyalty"]
    assert weights.lift(of, FITTING) == pytest.approx(want, abs=1e-5)
    assert not weights.product_K.any()


def test_a_feature_that_is_left_out_weighs_nothing_and_no_other_weight_is_fitted_beside_it():
    of, rng = made_up(), np.random.default_rng(3)
    parts = [chosen(rng.integers(0, 2, size=(4, 4)), of) for _ in range(12)]
    settings = replace(PATHS, enough_choosers=1, left_out=("orders", "taste"))
    got = fit_weights(parts, settings).by_name
    assert set(got) == set(FEATURES)
    assert got["orders"] == got["taste"] == 0.0
    blind = [replace(part, x_RK=part.x_RK.copy()) for part in parts]
    for part in blind:
        part.x_RK[:, [FEATURES.index("orders"), FEATURES.index("taste")]] = 0.0
    want = fit_weights(blind, replace(settings, left_out=(), prior=dict(PATHS.prior) | {"orders": 0.0})).by_name
    assert got == pytest.approx(want, abs=1e-4)
    with pytest.raises(ConfigError, match=r"paths\.left_out names colour, which is no feature"):
        replace(PATHS, left_out=("colour",))
