"""The score taken apart by path: the parts add up to it, and each is what its term says."""

import dataclasses

import numpy as np
import pytest

from gnn_core.config.paths import COLD_FEATURES, PRODUCT_FEATURES
from gnn_core.errors import ShapeError
from gnn_core.model.recommender import GraphRecommender
from gnn_core.scoring.audience import build_audience
from tests.core.model.worlds import fitting_apart, small_settings, two_platforms


@pytest.fixture(scope="module")
def fitted():
    train, settings = fitting_apart(two_platforms(cold=2, seed=1)), small_settings()
    few = dataclasses.replace(settings.history, rank_choosers=5)  # so that every part has a weight
    model = GraphRecommender(dataclasses.replace(settings, history=few), max_steps=3, start="smooth_dcg")
    model.fit(train)
    assert all(last > first for first, last in model.vector_blocks().values())
    audience, _ = build_audience(train, np.arange(len(train.user_ids)))
    model.prepare(audience)
    return model, audience, train


def test_parts_and_what_is_left_add_up_to_the_score(fitted):
    model, audience, train = fitted
    n_P = len(train.product_ids)
    row_N = np.repeat(np.arange(len(audience)), n_P)
    product_N = np.tile(np.arange(n_P), len(audience))
    found = model.path_shares(row_N, product_N)
    score_N = model.score_block(0, len(audience)).ravel().astype(np.float64)
    # What no path speaks for: popularity, the learned part, and the bias.
    settings = small_settings().model
    user, product = model.user_vectors(audience), model.product_vectors()
    first, last = settings.vehicle_factors, settings.vehicle_factors + len((*PRODUCT_FEATURES, *COLD_FEATURES))
    learned_from = product.shape[1] - 1 - (settings.output_dim + 2)  # two more for the slack; the last is the bias
    popularity = user[:, first:last] @ product[:, first:last].T
    learned = user[:, learned_from:] @ product[:, learned_from:].T
    left_N = (popularity + learned).ravel()
    assert found.own_N + found.owners_N + found.through_N + left_N == pytest.approx(score_N, abs=1e-3)


def test_the_pairs_of_a_cell_add_up_to_its_terms_and_name_products_of_its_history(fitted):
    model, audience, train = fitted
    row = int(audience.history.user_E[0])
    product_N = np.arange(len(train.product_ids))
    found = model.path_shares(np.full(len(product_N), row), product_N)
    known = set(audience.history.product_E[audience.history.user_E == row].tolist())
    assert set(found.via_J.tolist()) == known
    assert (found.through_J > 0).any()
    own = set(np.flatnonzero(found.own_N).tolist())
    assert own <= known


def test_rows_without_history_have_no_personal_part(fitted):
    model, audience, train = fitted
    quiet = np.setdiff1d(np.arange(len(audience)), audience.history.user_E)[:1]
    n_P = len(train.product_ids)
    found = model.path_shares(np.repeat(quiet, n_P), np.arange(n_P))
    assert not found.own_N.any()
    assert found.through_N == pytest.approx(np.zeros(n_P), abs=1e-6)
    assert not len(found.cell_J)
    assert found.owners_N.any()


def test_shares_need_an_audience():
    with pytest.raises(ShapeError, match="path_shares before prepare"):
        GraphRecommender(small_settings()).path_shares(np.zeros(1, int), np.zeros(1, int))
