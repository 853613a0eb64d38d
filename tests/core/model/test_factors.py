"""Factorisations against a dense one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gnn_core.model.factors import truncated_svd


@pytest.mark.parametrize("shape", [(40, 90), (90, 40)])
def test_leading_triplets_match_a_dense_decomposition(shape):
    rng = np.random.default_rng(0)
    low_rank = rng.normal(size=(shape[0], 5)) @ rng.normal(size=(5, shape[1]))
    dense = low_rank + 0.01 * rng.normal(size=shape)
    left, values, right = truncated_svd(sparse.csr_matrix(dense), 5, seed=1)
    want = np.linalg.svd(dense, full_matrices=False)
    assert values == pytest.approx(want[1][:5], rel=1e-6)
    best = (want[0][:, :5] * want[1][:5]) @ want[2][:5]
    assert (left * values) @ right.T == pytest.approx(best, abs=1e-4)


def test_rank_beyond_what_the_matrix_has_is_zero():
    one = sparse.csr_matrix(np.outer([1.0, 2.0], [3.0, 0.0, 4.0]))
    left, values, right = truncated_svd(one, 6, seed=0)
    assert (left.shape, values.shape, right.shape) == ((2, 6), (6,), (3, 6))
    assert values == pytest.approx([np.sqrt(5) * 5, 0, 0, 0, 0, 0], abs=1e-9)
    assert (left * values) @ right.T == pytest.approx(one.toarray(), abs=1e-9)


def test_an_empty_matrix_factorises_to_zeros():
    left, values, right = truncated_svd(sparse.csr_matrix((3, 4)), 2, seed=0)
    assert not left.any() and not values.any() and not right.any()  # noqa: PT018
