"""The smooth part of who takes what, by hand and in a world of two camps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnn_core.model.spectral import SELF_CLOSENESS, SpectralFactors, spectral_factors
from gnn_core.snapshot import CART, ORDER, VIEW
from tests.core.model.tiny import events_of
from tests.core.model.worlds import small_settings

MODEL = replace(
    small_settings().model,
    spectral_factors=3,
    spectral_added_degree=2.0,
    spectral_in_exponent=0.3,
    spectral_out_exponent=0.4,
)
ROWS = [(0, 0, ORDER, 1), (0, 1, VIEW, 2), (1, 1, VIEW, 1), (1, 2, CART, 1), (2, 0, VIEW, 3), (2, 1, ORDER, 1)]


def made(*rows: tuple[int, int, int, float], shape: tuple[int, int] = (4, 4), **changes: float) -> SpectralFactors:
    return spectral_factors(events_of(*rows), shape, replace(MODEL, **changes), seed=0)


def closeness(of: SpectralFactors) -> np.ndarray:
    return of.in_PF @ of.out_PF.T


def test_closeness_matches_a_dense_decomposition():
    """User 3 did nothing and nobody took product 3; of three singular vectors, two are kept."""
    r = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 0]], dtype=float)
    user, product = r.sum(axis=1) + 2, r.sum(axis=0) + 2
    vectors = np.linalg.svd(r / np.sqrt(np.outer(user, product)))[2][:2].T
    want = np.outer(product**-0.3, product**0.4) * (vectors @ vectors.T)
    own = (np.diag(want) * r.sum(axis=0)).sum() / r.sum()
    got = closeness(made(*ROWS, spectral_factors=2))
    assert got[:3, :3] == pytest.approx(SELF_CLOSENESS * want / own, rel=1e-4, abs=1e-4)
    assert not got[3].any()
    assert not got[:, 3].any()


def test_exponents_and_the_added_degree_count():
    plain = closeness(made(*ROWS, spectral_factors=2))
    for change in ({"spectral_in_exponent": 0.9}, {"spectral_out_exponent": 0.9}, {"spectral_added_degree": 50.0}):
        assert np.abs(closeness(made(*ROWS, spectral_factors=2, **change)) - plain).max() > 0.01, change


def test_a_product_is_as_close_to_itself_as_agreed_on_average_over_what_was_taken():
    own_P = np.diag(closeness(made(*ROWS)))
    assert own_P[[0, 1, 1, 2, 0, 1]].mean() == pytest.approx(SELF_CLOSENESS, rel=1e-4)


def test_a_pair_counts_once_whatever_it_consists_of_and_the_order_of_events_does_not_matter():
    once = made(*ROWS)
    again = made(*ROWS[::-1], (0, 0, VIEW, 7), (0, 0, ORDER, 9))
    assert closeness(again) == pytest.approx(closeness(once), abs=1e-3)


def test_products_of_two_camps_are_close_within_their_camp_alone():
    """Users 0–9 take three of products 0–4, users 10–19 three of 5–9; two vectors are enough to tell."""
    rng = np.random.default_rng(0)
    rows = [(u, int(p) + 5 * (u // 10), ORDER, 1.0) for u in range(20) for p in rng.choice(5, size=3, replace=False)]
    got = closeness(made(*rows, shape=(20, 10), spectral_factors=2))
    assert got[:5, :5].min() > SELF_CLOSENESS / 10
    assert got[5:, 5:].min() > SELF_CLOSENESS / 10
    assert np.abs(got[:5, 5:]).max() < 0.001


def test_vectors_that_the_graph_does_not_have_are_zeros():
    got = made((0, 0, ORDER, 1), (1, 0, ORDER, 1), spectral_factors=3)
    assert np.flatnonzero(np.abs(got.out_PF).sum(axis=0)).tolist() == [0]
    assert closeness(got)[0, 0] == pytest.approx(SELF_CLOSENESS, rel=1e-4)
    assert got.in_PF.dtype == got.out_PF.dtype == np.float32


def test_without_events_or_dimensions_nothing_is_close():
    assert not closeness(made()).any()
    assert made(*ROWS, spectral_factors=0).in_PF.shape == (4, 0)
