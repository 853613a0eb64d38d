"""Weights of near products by hand and against the closed form that they make local."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from gnn_core.model import item_weights
from gnn_core.model.item_graph import build_item_graph, near_products
from gnn_core.model.item_weights import regressed
from gnn_core.snapshot import ORDER, VIEW
from tests.core.model.tiny import HISTORY, KINDS, events_of


def weights(*rows, shape: tuple[int, int], near: np.ndarray | None = None, **changes) -> np.ndarray:
    events, settings = events_of(*rows), replace(HISTORY, **changes)
    closeness = near_products(events, KINDS[events.kind_E], shape, settings) if near is None else near
    return regressed(sparse.csr_matrix(closeness), events, shape, settings).toarray()


def crowd(n_users: int, n_products: int, seed: int = 0) -> list[tuple]:
    """Camps of three products, with noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(n_users):
        camp = 3 * int(rng.integers(n_products // 3))
        rows += [(u, camp + p, VIEW, 1) for p in range(3) if rng.random() < 0.8]
        rows.append((u, int(rng.integers(n_products)), ORDER, 2))
    return rows


def test_weights_match_hand_values():
    """Users 0 and 1 touched 0 and 1, user 2 touched 0, 1 and 2, user 3 touched 2 alone; 0 and 1 are the same."""
    rows = [(u, p, VIEW, 1) for u, ps in enumerate([(0, 1), (0, 1), (0, 1, 2), (2,)]) for p in ps]
    got = weights(*rows, shape=(4, 3), regression_penalty=2.0)
    # Of 0 on {1, 2}: [[3 + 2, 1], [1, 2 + 2]] w = [3, 1]; of 2 on {0, 1}: [[5, 3], [3, 5]] w = [1, 1].
    assert got[:, 0] == pytest.approx([0, 11 / 19, 2 / 19])
    assert got[:, 1] == pytest.approx([11 / 19, 0, 2 / 19])
    assert got[:, 2] == pytest.approx([1 / 8, 1 / 8, 0])


def test_products_that_say_the_same_share_what_they_say():
    """Ten variants that are always touched together speak of a product as one of them alone does, and not ten times."""
    alone = [(u, p, VIEW, 1) for u in range(50) for p in (0, 1)]
    together = [(u, p, VIEW, 1) for u in range(50) for p in range(11)]
    one, ten = weights(*alone, shape=(50, 11)), weights(*together, shape=(50, 11))
    assert ten[1:, 0].sum() < 2 * one[1, 0]
    assert weights(*together, shape=(50, 11), regressors=0)[1:, 0].sum() > 1.5 * one[1, 0]
    assert ten[1:, 0] == pytest.approx(np.full(10, ten[1, 0]))


def test_with_all_products_as_regressors_it_is_ease():
    shape, penalty = (200, 12), 5.0
    rows = crowd(*shape)
    x = np.zeros(shape)
    for user, product, *_ in rows:
        x[user, product] = 1
    inverse = np.linalg.inv(x.T @ x + penalty * np.eye(12))
    want = -inverse / np.diag(inverse)
    np.fill_diagonal(want, 0)
    everyone = 1.0 - np.eye(12)
    got = weights(*rows, shape=shape, near=everyone, regressors=11, regression_penalty=penalty)
    assert (want < -1e-3).any()
    assert got == pytest.approx(np.maximum(want, 0))


def test_events_of_a_pair_count_once_whatever_they_are():
    rows = crowd(60, 9)
    near = 1.0 - np.eye(9)
    again = [*rows, *((u, p, ORDER, d + 3) for u, p, _, d in rows)]
    assert weights(*again, shape=(60, 9), near=near) == pytest.approx(weights(*rows, shape=(60, 9), near=near))


@pytest.mark.parametrize(("whole", "pairs"), [(9, 0), (8, 1000), (8, 0)])
def test_weights_do_not_depend_on_how_joint_users_are_counted(monkeypatch, whole, pairs):
    """As a whole matrix, picked from a sparse one, from the users of the products."""
    rows = crowd(60, 9)
    shipped = weights(*rows, shape=(60, 9), regressors=4)
    monkeypatch.setattr(item_weights, "_WHOLE_PRODUCTS", whole)
    monkeypatch.setattr(item_weights, "_PAIRS_A_PRODUCT", pairs)
    assert weights(*rows, shape=(60, 9), regressors=4).tolist() == shipped.tolist()


def test_only_the_nearest_are_regressors():
    rows = crowd(300, 9)
    near = weights(*rows, shape=(300, 9), regressors=0)
    got = weights(*rows, shape=(300, 9), regressors=2)
    for j in range(9):
        assert set(np.flatnonzero(got[:, j])) <= set(np.argsort(-near[j], kind="stable")[:2])
    assert np.count_nonzero(got) > 9


def test_without_regressors_or_without_neighbours_closeness_stays():
    rows = crowd(60, 9)
    events = events_of(*rows)
    near = near_products(events, KINDS[events.kind_E], (60, 9), HISTORY)
    off = replace(HISTORY, regressors=0)
    assert (regressed(near, events, (60, 9), off) != near).nnz == 0
    assert regressed(sparse.csr_matrix((9, 9)), events_of(), (60, 9), HISTORY).nnz == 0


def test_the_item_graph_has_the_weights_and_its_factors_too():
    events = events_of(*crowd(60, 9))
    made = build_item_graph(events, KINDS[events.kind_E], (60, 9), HISTORY, rank=9, seed=0)
    near = near_products(events, KINDS[events.kind_E], (60, 9), HISTORY)
    assert made.near_PP.toarray() == pytest.approx(regressed(near, events, (60, 9), HISTORY).toarray())
    assert made.left_PI @ made.right_PI.T == pytest.approx((made.near_PP + made.follows_PP).toarray(), abs=1e-5)
