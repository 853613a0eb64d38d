"""A score of the graph model is one inner product, which a vector index can serve."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_core.config.paths import COLD_FEATURES, PRODUCT_FEATURES
from gnn_core.scoring.audience import build_audience
from tests.core.model.fits import WORLD, fitted
from tests.core.model.worlds import (
    AS_PROPOSED,
    small_settings,
)


def test_scores_are_one_inner_product_that_an_index_can_serve(trained):
    audience, _ = build_audience(WORLD, np.arange(len(WORLD.user_ids)))
    trained.prepare(audience)
    users, products = trained.user_vectors(audience), trained.product_vectors()
    model = small_settings().model
    learned = model.output_dim + 2  # with slack
    factors = trained._plan.constants.factors
    smooth, fitment = factors.in_PF.shape[1], factors.fitment_PA.shape[1]
    alone = len((*PRODUCT_FEATURES, *COLD_FEATURES)) + 1
    constants = model.vehicle_factors + alone + model.item_factors + smooth + fitment
    assert users.shape[1] == products.shape[1] == constants + learned + 1
    cold = np.flatnonzero(np.bincount(audience.history.user_E, minlength=len(audience)) == 0)
    whole = trained.score_block(0, len(audience))
    assert whole[cold] == pytest.approx(users[cold] @ products.T, abs=1e-4)
    assert np.linalg.norm(products[:, constants:-1], axis=1) == pytest.approx(np.ones(len(products)), abs=1e-5)
    assert (users[:, -1] == 1).all()
    assert len(np.unique(np.linalg.norm(users[:, constants:-1], axis=1).round(4))) == 1  # all have length s


def test_without_sparse_terms_a_user_with_history_is_one_inner_product_too():
    plain = fitted(model={"sparse_terms": False}, max_steps=0)
    audience, _ = build_audience(WORLD, np.arange(len(WORLD.user_ids)))
    plain.prepare(audience)
    assert len(audience.history)
    scores = plain.score_block(0, len(audience))
    assert scores == pytest.approx(plain.user_vectors(audience) @ plain.product_vectors().T, abs=1e-4)


def test_without_a_popularity_bias_the_last_coordinate_is_zero():
    assert (fitted(model=AS_PROPOSED, training={"loss": "bce"}, max_steps=1).product_vectors()[:, -1] == 0).all()
