"""Events, fitment and evidence of a handful of users, from literals, for tests of counting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from gnn_core.config import load_settings
from gnn_core.model.shrinkage import Evidence, Fitting
from gnn_core.snapshot import Events

KINDS = np.array([1.0, 3.0, 5.0])
"""Weights of view, cart and order."""
DAY = 86_400_000_000
_SHIPPED = load_settings(Path("configs/gnn_config.yaml"))
PATHS, HISTORY = _SHIPPED.paths, _SHIPPED.history


def events_of(*rows: tuple[int, int, int, float]) -> Events:
    """Events of (user, product, kind, day); days count from 1970."""
    user, product, kind, day = (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.zeros(0)] * 4
    return Events(
        user_E=user.astype(np.int64),
        product_E=product.astype(np.int64),
        kind_E=kind.astype(np.int8),
        ts_E=(day * DAY).astype(np.int64),
        order_E=np.full(len(user), -1, dtype=np.int64),
        quantity_E=np.ones(len(user), dtype=np.int64),
    )


def fitting_of(fits: Sequence[Sequence[int]], make_S: Sequence[int], n_products: int) -> Fitting:
    """Fitting of the products that fit each segment."""
    segment = np.repeat(np.arange(len(fits)), [len(f) for f in fits])
    product = np.array([p for f in fits for p in f], dtype=np.int64)
    return Fitting(segment, product, np.array(make_S, dtype=np.int64), n_products, PATHS.neighbours)


def owning(*segments_of: Sequence[int], n_segments: int) -> sparse.csr_matrix:
    """(U, S) ownership of the segments of each user."""
    owns = np.zeros((len(segments_of), n_segments), dtype=bool)
    for user, segments in enumerate(segments_of):
        owns[user, list(segments)] = True
    return sparse.csr_matrix(owns)


def evidence_of(orders_UP: Sequence[Sequence[float]], owns_US: sparse.csr_matrix) -> Evidence:
    """Evidence of orders by user and product."""
    by_user = sparse.csr_matrix(np.array(orders_UP, dtype=np.float64))
    by_segment = sparse.csr_matrix(owns_US.astype(np.float64).T @ by_user)
    return Evidence(by_user, by_segment, np.asarray(by_user.sum(axis=0)).ravel())
