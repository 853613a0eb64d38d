"""Maximal marginal relevance: hand values, ties, ends of the scale, rules that still hold, whose lists it is for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnn_core.config import ScoringSettings
from gnn_core.errors import ShapeError
from gnn_core.scoring.diversity import ListMaker, diversified, unit_vectors
from gnn_core.scoring.hybrid import Hybrid
from tests.core.builders import make_snapshot

RULES = ScoringSettings(
    slots=2,
    min_slots=1,
    max_per_part_type=2,
    purchase_exclusion_days=365,
    universal_candidates=0,
    diversity=0.5,
    diversity_pool=4,
    block_rows=8,
)
FLAT = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.0, 0.0]])
"""Unit vectors of four products, the last of which is like nothing."""


class Fixed:
    """A recommender with given vectors."""

    name = "graph"

    def __init__(self, vectors: np.ndarray | None) -> None:
        if vectors is not None:
            self.likeness_vectors = lambda: vectors


def chosen(scores: list[float], strength: float, *, pool: int = 4, k: int = 4, slots: int = 0) -> list[int]:
    """Product indices of one row whose products 0, 1, 2 … have these scores, falling."""
    products, values = np.arange(len(scores))[None, :], np.array([scores], dtype=np.float32)
    picked, _ = diversified(products, values, FLAT, strength=strength, pool=pool, k=k, slots=slots)
    return picked[0].tolist()


def test_hand_values() -> None:
    # Relevance 1, .9, .4, 0. After product 0: .5·.9 − .5·.8 = .05 for 1, .5·.4 − 0 = .2 for 2, 0 for 3. After 0 and 2:
    # .5·.9 − .5·max(.8, .6) = .05 for 1, 0 for 3.
    assert chosen([10.0, 9.0, 4.0, 0.0], 0.5) == [0, 2, 1, 3]
    # A third of the weight: .6·… 2/3·.9 − 1/3·.8 = .33 for 1 against 2/3·.4 = .27 for 2.
    assert chosen([10.0, 9.0, 4.0, 0.0], 1 / 3) == [0, 1, 2, 3]


def test_at_strength_0_the_order_of_the_scores_stays_and_at_1_scores_only_break_ties() -> None:
    assert chosen([10.0, 9.0, 4.0, 0.0], 0.0) == [0, 1, 2, 3]
    # All are worth 0 at first: the first of the pool. Then 2 and 3 are alike to nothing, and 2 scores higher.
    assert chosen([10.0, 9.0, 4.0, 0.0], 1.0) == [0, 2, 3, 1]


def test_what_lies_beyond_the_pool_follows_in_its_own_order() -> None:
    assert chosen([10.0, 9.9, 9.8, 0.0], 1.0, pool=2) == [0, 1, 2, 3]
    assert chosen([10.0, 9.9, 9.8, 0.0], 1.0, pool=3) == [0, 2, 1, 3]


def test_a_longer_list_begins_with_the_shorter_ones_choice() -> None:
    assert chosen([10.0, 9.0, 4.0, 0.0], 0.5, k=2) == chosen([10.0, 9.0, 4.0, 0.0], 0.5, k=4)[:2]


def test_slots_are_in_falling_order_of_score_whatever_the_order_of_choice() -> None:
    assert chosen([10.0, 9.0, 4.0, 0.0], 0.5) == [0, 2, 1, 3]
    assert chosen([10.0, 9.0, 4.0, 0.0], 0.5, slots=3) == [0, 1, 2, 3]
    assert chosen([10.0, 9.0, 4.0, 0.0], 0.5, slots=2) == [0, 2, 1, 3]


def test_opposite_is_as_different_as_unrelated() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    picked, _ = diversified(
        np.array([[0, 1, 2]]), np.array([[3.0, 2.0, 1.0]], np.float32), vectors, strength=0.9, pool=3, k=3, slots=0
    )
    assert picked.tolist() == [[0, 1, 2]]


def test_equal_products_tie_to_the_lower_index_and_short_rows_stay_short() -> None:
    products = np.array([[0, 1, 2, 3], [2, -1, -1, -1], [-1, -1, -1, -1]])
    scores = np.where(products >= 0, 1.0, np.nan).astype(np.float32)
    same = np.tile(np.array([[0.6, 0.8]]), (4, 1))
    picked, values = diversified(products, scores, same, strength=0.7, pool=4, k=4, slots=2)
    assert picked.tolist() == products.tolist()
    assert np.array_equal(values, scores, equal_nan=True)


def test_noise_below_a_millionth_of_a_cosine_decides_nothing() -> None:
    near = np.array([[1.0, 0.0], [0.5, 3**0.5 / 2], [0.5 - 1e-9, 3**0.5 / 2]])
    picked, _ = diversified(
        np.array([[0, 1, 2]]), np.array([[2.0, 1.0, 1.0]], np.float32), near, strength=0.5, pool=3, k=2, slots=0
    )
    assert picked.tolist() == [[0, 1]]


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_the_business_rules_hold_at_any_strength(strength: float) -> None:
    rng = np.random.default_rng(3)
    types = {f"p{i:02d}": {"part_type": f"Type {i % 5}"} for i in range(30)}
    train = make_snapshot(owns={"u": ["2000|a|b"]}, fits={p: ["2000|a|b"] for p in types}, products=types)
    vectors = rng.standard_normal((30, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rules = replace(RULES, slots=4, diversity=strength, diversity_pool=20)
    scores, mask = rng.random((6, 30)).astype(np.float32), rng.random((6, 30)) < 0.8
    bought = rng.random((6, 30)) < 0.2
    listed, values = ListMaker(Fixed(vectors), train, rules).lists(scores, mask, bought, 4)
    for row, products in enumerate(listed):
        assert (products >= 0).all()
        assert mask[row, products].all()
        assert not bought[row, products].any()
        assert np.bincount(train.part_type_P[products]).max() <= 2
        assert (values[row] == scores[row, products]).all()
        assert (np.diff(values[row]) <= 0).all()


def test_a_policy_without_vectors_keeps_its_lists_and_a_hybrid_takes_its_graphs() -> None:
    assert unit_vectors(Fixed(None)) is None
    hybrid = Hybrid(Fixed(None), Fixed(FLAT), 0.5, "zscore", lambda audience: None)
    assert unit_vectors(hybrid) is FLAT
    products = {f"p{i}": {"part_type": f"Type {i}"} for i in range(4)}
    train = make_snapshot(owns={"u": ["2000|a|b"]}, fits={p: ["2000|a|b"] for p in products}, products=products)
    scores = np.array([[10.0, 9.0, 4.0, 0.0]], dtype=np.float32)
    every, none = np.ones((1, 4), bool), np.zeros((1, 4), bool)
    for policy, expected in ((Fixed(None), [0, 1]), (hybrid, [0, 2])):
        assert ListMaker(policy, train, RULES).lists(scores, every, none, 2)[0].tolist() == [expected]
    off = ListMaker(hybrid, train, replace(RULES, diversity=0.0))
    assert off.lists(scores, every, none, 2)[0].tolist() == [[0, 1]]


def test_vectors_of_another_catalogue_are_refused() -> None:
    train = make_snapshot(owns={"u": ["2000|a|b"]}, fits={"p": ["2000|a|b"]})
    with pytest.raises(ShapeError, match="4 product vectors for 1 products"):
        ListMaker(Fixed(FLAT), train, RULES)
