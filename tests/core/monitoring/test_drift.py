"""Drift: a turned space is no drift, a shuffled one is; PSI by hand."""

import numpy as np
import pytest

from gnn_core.errors import DataError, ShapeError
from gnn_core.monitoring.drift import (
    category_stability,
    population_stability,
    rotation_onto,
    steadiest_correlation,
    vector_drift,
)


def _vectors(seed, n=300, d=8):
    return np.random.default_rng(seed).normal(size=(n, d))


def _turn(seed, d=8):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def _drift(old, new, k=10, sample=200):
    return vector_drift(old, new, neighbours=k, sample=sample, seed=1)


def test_a_space_that_only_turned_has_not_drifted():
    old = _vectors(0)
    found = _drift(old, old @ _turn(1))
    assert found.aligned_cosine == pytest.approx(1)
    assert found.neighbour_overlap == 1.0
    assert found.norm_change == pytest.approx(0)
    assert found.raw_cosine < 0.9


def test_a_space_whose_rows_were_exchanged_has():
    old = _vectors(0)
    found = _drift(old, old[np.random.default_rng(2).permutation(len(old))])
    assert found.neighbour_overlap < 0.1
    assert found.aligned_cosine < 0.5


def test_noise_moves_neighbours_by_degrees_and_scale_moves_norms_alone():
    old = _vectors(0)
    overlaps = [_drift(old, old + s * _vectors(3)).neighbour_overlap for s in (0.05, 0.3, 2.0)]
    assert overlaps[0] > overlaps[1] > overlaps[2]
    scaled = _drift(old, 1.5 * old)
    assert (scaled.norm_change, scaled.neighbour_overlap) == (pytest.approx(0.5), 1.0)


def test_the_rotation_found_is_the_one_that_was_made():
    old, turn = _vectors(0), _turn(4)
    assert rotation_onto(old @ turn, old) == pytest.approx(turn.T)


def test_what_cannot_be_compared_is_refused():
    old = _vectors(0)
    with pytest.raises(ShapeError, match="same entities"):
        _drift(old, old[1:])
    with pytest.raises(DataError, match="10 entities are known"):
        _drift(old[:10], old[:10])
    with pytest.raises(DataError, match="most old vectors are zero"):
        _drift(old * 0, old)
    bad = old.copy()
    bad[3, 3] = np.nan
    with pytest.raises(DataError, match="NaN"):
        _drift(old, bad)


def test_psi_of_categories_by_hand():
    # (3.5, 1.5) of 5 against (1.5, 3.5) of 5: .4 · log(.7/.3) twice.
    found = category_stability({"a": 3, "b": 1}, {"a": 1, "b": 3})
    assert found == pytest.approx(2 * 0.4 * np.log(0.7 / 0.3))
    assert category_stability({"a": 5}, {"a": 50}) == 0.0
    assert category_stability({"a": 100}, {"b": 100}) > 5


def test_psi_of_numbers():
    rng = np.random.default_rng(5)
    reference = rng.lognormal(size=20_000)
    assert population_stability(reference, rng.lognormal(size=20_000), 10) < 0.01
    assert population_stability(reference, 2 * rng.lognormal(size=20_000), 10) > 0.25
    ties = np.zeros(1_000)
    assert population_stability(ties, ties, 10) == 0.0
    assert population_stability(ties, ties + 1, 10) >= 0.0
    with pytest.raises(DataError, match="current has 0 values"):
        population_stability(reference, np.array([]), 10)


def test_the_steadiest_number_by_hand():
    old = np.array([[1.0, 1.0, 5.0], [2.0, 2.0, 5.0], [3.0, 3.0, 5.0]])
    # Correlations: −1, ½ · 2/√(2 · 2) = .5, and none where nothing varies.
    new = np.array([[3.0, 1.0, 1.0], [2.0, 3.0, 2.0], [1.0, 2.0, 3.0]])
    assert steadiest_correlation(old, new) == pytest.approx(0.5)
    assert steadiest_correlation(old, old) == pytest.approx(1)
    assert steadiest_correlation(old[:, 2:], new[:, 2:]) == 0
    assert steadiest_correlation(old[:, :1], new[:, :1]) == 0


def test_whose_norm_has_moved_is_told_beside_the_median_change():
    rng = np.random.default_rng(3)
    old = rng.normal(size=(100, 4))
    assert _drift(old, 5 * old).norms_moved == 0
    changed = np.ones((100, 1))
    changed[:10], changed[10:15], changed[15:30] = 2.1, 0.45, 1.9
    assert _drift(old, 5 * changed * old).norms_moved == pytest.approx(0.15)
    begun = old.copy()
    begun[:10] = 0
    assert _drift(begun, old).norms_moved == pytest.approx(0.1)
    assert _drift(begun, begun).norms_moved == 0
