"""Node features, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gnn_core.graph.features import PRODUCT_FEATURES, orders_per_product, price_feature, product_features
from tests.core.builders import make_snapshot


def test_a_missing_price_takes_the_median_of_its_part_type_then_of_the_catalogue():
    price = np.array([9.0, 99.0, np.nan, 999.0, np.nan]) - 1
    filled = price_feature(price, np.array([0, 0, 0, 1, 2]))
    log9, log99, log999 = np.log([9, 99, 999])
    assert filled.log_price_P == pytest.approx([log9, log99, (log9 + log99) / 2, log999, log99])
    assert filled.missing_P.tolist() == [False, False, True, False, True]


def test_a_catalogue_without_any_price_is_all_missing_and_finite():
    filled = price_feature(np.array([np.nan, np.nan]), np.array([0, 1]))
    assert filled.missing_P.all()
    assert (filled.log_price_P == 0).all()


def test_popularity_counts_orders_only():
    car = "2018|ford|f-150"
    train = make_snapshot(
        owns={"ann": [car]},
        fits={"P1": [car], "P2": [car]},
        events=[("ann", "P2", kind, "2026-05-02") for kind in ("order", "view", "cart", "order")]
        + [("ann", "P2", "order", "2026-05-03")],
    )
    assert orders_per_product(train).tolist() == [0, 3]


def test_columns_are_scaled_and_a_constant_column_is_zero():
    fits = sparse.csr_matrix(np.array([[1, 1, 0], [1, 0, 0]], dtype=np.float32))
    price = price_feature(np.array([10.0, 20.0, 30.0]), np.zeros(3, dtype=np.int64))
    table = product_features(price, np.array([0, 1, 5]), np.array([0.0, 2.0, 9.0]), fits)
    assert table.shape == (3, len(PRODUCT_FEATURES))
    assert (table[:, PRODUCT_FEATURES.index("price_missing")] == 0).all()
    breadth = np.log1p([2, 1, 0])
    want = (breadth - breadth.mean()) / breadth.std()
    assert table[:, PRODUCT_FEATURES.index("log_fitment_breadth")] == pytest.approx(want, rel=1e-5)
