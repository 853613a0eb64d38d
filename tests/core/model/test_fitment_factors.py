"""Closeness by what products fit, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gnn_core.model.fitment_factors import fitment_vectors
from gnn_core.model.spectral import SELF_CLOSENESS

# Products 0 and 1 share a make/model of two, 0 to 2 one of three, 3 fits nothing, 4 only what fits everything but it.
FITS = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 1, 0, 1]], dtype=bool)


def closeness(fits: np.ndarray, rank: int = 3) -> np.ndarray:
    vectors = fitment_vectors(sparse.csr_matrix(fits), rank, seed=0)
    return vectors @ vectors.T


def test_closeness_is_the_cosine_of_what_products_fit_rare_make_models_before_common_ones():
    two, three = np.log(5 / 2), np.log(5 / 3)
    rows = np.array([[two, three, 0], [two, three, 0], [0, three, two], [0, 0, 0], [0, 0, two]])
    length = np.sqrt((rows**2).sum(axis=1))
    length[3] = 1.0
    unit = rows / length[:, None]
    assert closeness(FITS) == pytest.approx(SELF_CLOSENESS * unit @ unit.T, abs=1e-4)


def test_what_fits_everything_says_nothing():
    everything = np.vstack([FITS, np.ones(5, dtype=bool)])
    assert closeness(everything, rank=4) == pytest.approx(closeness(FITS), abs=1e-4)


@pytest.mark.parametrize("fits", [np.ones((1, 4), dtype=bool), np.zeros((2, 4), dtype=bool)])
def test_where_fitment_tells_no_product_from_another_there_is_no_dimension(fits):
    assert fitment_vectors(sparse.csr_matrix(fits), 8, seed=0).shape == (fits.shape[1], 0)


def test_there_are_no_more_dimensions_than_asked_for_or_than_fitment_has():
    fits = sparse.csr_matrix(FITS)
    assert [fitment_vectors(fits, rank, seed=0).shape[1] for rank in (0, 1, 2, 3, 8)] == [0, 1, 2, 3, 3]
    assert fitment_vectors(fits, 2, seed=0).dtype == np.float32
