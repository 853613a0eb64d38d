"""The item graph by hand: what the same users took, and what came after what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from gnn_core.model import item_graph
from gnn_core.model.item_graph import build_item_graph, following_products, near_products
from gnn_core.snapshot import CART, ORDER, VIEW
from tests.core.model.tiny import HISTORY, KINDS, events_of

L2, L6 = np.log(2), np.log(6)  # log(1 + weight) of a view and of an order


def near(*rows, shape=(3, 4), settings=HISTORY) -> np.ndarray:
    events = events_of(*rows)
    return near_products(events, KINDS[events.kind_E], shape, settings).toarray()


def follows(*rows, n_products: int = 4, settings=HISTORY) -> np.ndarray:
    events = events_of(*rows)
    return following_products(events, KINDS[events.kind_E], n_products, settings).toarray()


def test_near_matches_hand_values():
    """User 0 ordered 0 and viewed 1; user 1 viewed 0, 1 and 2; user 2 did nothing; nobody touched 3."""
    got = near((0, 0, ORDER, 1), (0, 1, VIEW, 2), (1, 0, VIEW, 1), (1, 1, VIEW, 1), (1, 2, VIEW, 1))
    norm = [np.hypot(L6, L2), np.hypot(L2, L2), L2]
    want = np.zeros((4, 4))
    want[0, 1] = (L6 * L2 / 2 + L2 * L2 / 3) / (norm[0] * norm[1] + 1)
    want[0, 2] = (L2 * L2 / 3) / (norm[0] * norm[2] + 1)
    want[1, 2] = (L2 * L2 / 3) / (norm[1] * norm[2] + 1)
    assert got == pytest.approx(want + want.T)


def test_near_adds_up_the_repeats_of_a_pair_before_the_logarithm():
    got = near((0, 0, VIEW, 1), (0, 0, VIEW, 2), (0, 1, ORDER, 3))
    three = np.log(3)
    assert got[0, 1] == pytest.approx(three * L6 / 2 / (three * L6 + 1))


def test_a_user_of_the_whole_catalogue_says_less_of_a_pair():
    two = near((0, 0, ORDER, 1), (0, 1, ORDER, 1))[0, 1]
    all_four = near(*[(0, p, ORDER, 1) for p in range(4)])[0, 1]
    assert all_four == pytest.approx(two / 2)


def test_near_does_not_depend_on_the_size_of_the_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    rows = [(int(u), int(p), VIEW, 1) for u, p in rng.integers(0, 12, size=(60, 2))]
    whole = near(*rows, shape=(12, 12))
    monkeypatch.setattr(item_graph, "_BLOCK_PRODUCTS", 5)
    assert near(*rows, shape=(12, 12)) == pytest.approx(whole)


def test_follows_matches_hand_values():
    """User 0 views 0, carts 1, orders 2; user 1 views 0, then views 1. Weights are shares of an order's."""
    got = follows((0, 0, VIEW, 1), (0, 1, CART, 2), (0, 2, ORDER, 3), (1, 0, VIEW, 1), (1, 1, VIEW, 2))
    count = np.zeros((4, 4))
    count[0, 1] = 3 / 5 + 1 / 5
    count[0, 2] = 1 / 2  # second step
    count[1, 2] = 1.0
    out, into = count.sum(axis=1), count.sum(axis=0)
    assert got == pytest.approx(count / (np.sqrt(np.outer(out, into)) + 1))


def test_a_basket_of_one_moment_follows_nothing_in_it_but_what_came_before():
    got = follows((0, 0, ORDER, 1), (0, 1, ORDER, 2), (0, 2, ORDER, 2)) > 0
    assert np.argwhere(got).tolist() == [[0, 1], [0, 2]]


def test_steps_end_after_the_fifth_and_at_the_user():
    got = follows(*[(0, p, VIEW, p) for p in range(7)], (1, 7, VIEW, 9), n_products=8)
    assert np.flatnonzero(got[0]).tolist() == [1, 2, 3, 4, 5]
    assert not got[:, 7].any()


def test_a_product_does_not_follow_itself():
    assert not follows((0, 0, VIEW, 1), (0, 0, ORDER, 2)).any()


def test_the_order_in_which_events_are_given_does_not_matter():
    """Also of one product's view and order at one moment."""
    rows = [(0, 0, VIEW, 1), (0, 1, ORDER, 2), (0, 1, VIEW, 2), (0, 2, CART, 3), (1, 2, VIEW, 1), (1, 0, ORDER, 2)]
    for made in (near, follows):
        assert made(*rows[::-1]) == pytest.approx(made(*rows), abs=0)


@pytest.mark.parametrize("made", [near, follows])
def test_only_the_nearest_are_kept_and_ties_go_to_the_lower_product(made):
    # 3 comes after 0, 1 and 2, all at one moment; each user of 0 pairs it with one other.
    rows = [(0, 0, VIEW, 1), (0, 1, VIEW, 2), (1, 0, VIEW, 1), (1, 2, VIEW, 2), (2, 0, VIEW, 1), (2, 3, VIEW, 2)]
    got = made(*rows, settings=replace(HISTORY, neighbours=2))
    assert np.flatnonzero(got[0]).tolist() == [1, 2]


def test_the_strongest_neighbour_stays_whatever_its_place():
    rows = [(0, 0, VIEW, 1), (0, 1, VIEW, 2), (1, 0, ORDER, 1), (1, 3, ORDER, 2)]
    got = near(*rows, settings=replace(HISTORY, neighbours=1))
    assert np.flatnonzero(got[0]).tolist() == [3]
    assert np.flatnonzero(got[1]).tolist() == [0]  # pruned row by row: not symmetric


def test_factors_of_full_rank_give_back_both_kinds_of_edges():
    rng = np.random.default_rng(1)
    events = events_of(
        *[(int(u), int(p), int(k), d) for d, (u, p, k) in enumerate(rng.integers(0, [9, 8, 3], (70, 3)))]
    )
    made = build_item_graph(events, KINDS[events.kind_E], (9, 8), HISTORY, rank=8, seed=0)
    both = (made.near_PP + made.follows_PP).toarray()
    assert made.left_PI @ made.right_PI.T == pytest.approx(both, abs=1e-5)
    assert np.abs(both - both.T).max() > 0.01  # what follows has a direction, and the factors keep it
    assert build_item_graph(events, KINDS[events.kind_E], (9, 8), HISTORY, rank=0, seed=0).left_PI.shape == (8, 0)


def test_without_events_there_are_no_edges():
    made = build_item_graph(events_of(), np.zeros(0), (3, 4), HISTORY, rank=2, seed=0)
    assert made.near_PP.nnz == made.follows_PP.nnz == 0
    assert made.near_PP.shape == made.follows_PP.shape == (4, 4)
    assert (made.left_PI.shape, made.right_PI.shape) == ((4, 2), (4, 2))
    assert not made.left_PI.any()


def test_a_single_event_has_no_neighbour():
    assert sparse.csr_matrix(near((0, 0, ORDER, 1))).nnz == sparse.csr_matrix(follows((0, 0, ORDER, 1))).nnz == 0
