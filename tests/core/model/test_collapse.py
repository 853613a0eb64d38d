"""Distinct vectors and lists, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gnn_core.errors import ShapeError
from gnn_core.model.collapse import measure_collapse

# Rows 0 and 1 own segment 0 and are alike; row 2 owns both and differs; nobody owns segment 2.
OWNS = sparse.csr_matrix(np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0]], dtype=np.float32))
VECTORS = np.array([[0.1, 0.0], [0.1, -0.0], [0.1, 0.5]], dtype=np.float32)
LISTS = np.array([[3, 1], [3, 1], [3, -1]])


def test_distinct_vectors_are_counted_overall_and_per_vehicle():
    got = measure_collapse(VECTORS, OWNS, LISTS)
    assert got.distinct_vectors_S.tolist() == [2, 1, 0]
    assert got.summary() == {
        "rows": 3,
        "distinct_vectors": 2,
        "distinct_lists": 2,
        "vehicles_with_owners": 2,
        "median_distinct_vectors_per_vehicle": 1.5,
        "vehicles_with_one_vector": 1,
    }


def test_a_difference_below_the_decimals_is_none():
    assert measure_collapse(VECTORS, OWNS, LISTS, decimals=0).n_distinct_vectors == 1


def test_a_model_that_gives_everyone_the_same_shows():
    same = measure_collapse(np.ones((3, 2), np.float32), OWNS, np.ones((3, 2), np.int64))
    assert (same.n_distinct_vectors, same.n_distinct_lists) == (1, 1)


def test_rows_that_do_not_belong_together_are_refused():
    with pytest.raises(ShapeError, match="3, 3, 2 rows"):
        measure_collapse(VECTORS, OWNS, LISTS[:2])
