"""Exact lists: hand values, ties, and a slow oracle on random worlds full of ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gnn_core.errors import DataError, ShapeError
from gnn_core.scoring import rank
from gnn_core.scoring.rank import checked_block, top_k, top_k_with_rules


def _f32(rows):
    return np.array(rows, dtype=np.float32)


def test_ties_go_to_the_lower_index_and_missing_is_minus_one():
    index, score = top_k(
        _f32([[1, 3, 3, 2], [5, 5, 5, 5], [0, 0, 0, 0]]), np.array([[1, 1, 1, 1], [0, 1, 0, 1], [0] * 4]) > 0, 3
    )
    assert index.tolist() == [[1, 2, 3], [1, 3, -1], [-1, -1, -1]]
    np.testing.assert_array_equal(score, _f32([[3, 3, 2], [5, 5, np.nan], [np.nan] * 3]))


def test_negative_scores_and_both_zeros():
    index, score = top_k(_f32([[-2.0, 0.0, -0.0, -1.0, 1e-30, -1e-30]]), np.ones((1, 6), dtype=bool), 6)
    assert index.tolist() == [[4, 1, 2, 5, 3, 0]]
    np.testing.assert_array_equal(score, _f32([[1e-30, 0, 0, -1e-30, -1, -2]]))


def test_rules_by_hand():
    #        0    1    2    3    4    5    6
    scores = _f32([[9, 8, 7, 6, 5, 4, 3]])
    purchased = np.array([[1, 0, 0, 0, 0, 0, 0]], dtype=bool)
    base = np.array([0, 1, 1, 3, 4, 5, 6])  # 1 and 2 are colours of one product
    part_type = np.array([0, 0, 0, 0, 0, 1, 1])
    # 0 was bought; 2 is the weaker colour of 1; 1 and 3 fill part type 0, so 4 is out; 5 and 6 follow.
    index, _ = top_k_with_rules(scores, np.ones((1, 7), dtype=bool), purchased, part_type, base, 2, 4)
    assert index.tolist() == [[1, 3, 5, 6]]


def test_a_variant_that_lost_to_its_sibling_takes_no_place_of_the_part_type():
    index, _ = top_k_with_rules(
        _f32([[4, 3, 2]]), np.ones((1, 3), bool), np.zeros((1, 3), bool), np.array([0, 0, 0]), np.array([0, 0, 1]), 2, 2
    )
    assert index.tolist() == [[0, 2]]


def test_the_best_variant_is_dropped_by_its_own_part_type_and_its_sibling_does_not_step_in():
    # Rules run in SQL's order: variants first, part types second.
    index, _ = top_k_with_rules(
        _f32([[4, 3, 2]]), np.ones((1, 3), bool), np.zeros((1, 3), bool), np.array([0, 0, 1]), np.array([0, 1, 1]), 1, 3
    )
    assert index.tolist() == [[0, -1, -1]]


def test_a_list_is_filled_from_far_below_the_first_look():
    # 3,000 products of one part type lead; the other two come last.
    n = 3_002
    part_type = np.r_[np.zeros(3_000, dtype=np.int64), 1, 2]
    scores = _f32([np.arange(n, 0, -1)])
    index, _ = top_k_with_rules(scores, np.ones((1, n), bool), np.zeros((1, n), bool), part_type, np.arange(n), 2, 5)
    assert index.tolist() == [[0, 1, 3_000, 3_001, -1]]


def _oracle(scores, mask, purchased, part_type, base, cap, k):
    out = []
    for row in range(len(scores)):
        order = sorted(np.flatnonzero(mask[row] & ~purchased[row]), key=lambda p: (-float(scores[row, p]), p))
        bases, best = set(), []
        for p in order:
            if base[p] not in bases:
                bases.add(base[p])
                best.append(p)
        taken: dict[int, int] = {}
        chosen = []
        for p in best:
            if taken.get(part_type[p], 0) < cap:
                taken[part_type[p]] = taken.get(part_type[p], 0) + 1
                chosen.append(int(p))
        out.append((chosen + [-1] * k)[:k])
    return out


@st.composite
def _worlds(draw):
    n_R, n_P = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    values = st.sampled_from([-2.5, -1.0, -0.0, 0.0, 0.5, 1.0, 1e-8, 3e38]).map(np.float32)
    scores = draw(hnp.arrays(np.float32, (n_R, n_P), elements=values))
    mask, bought = (draw(hnp.arrays(bool, (n_R, n_P))) for _ in range(2))
    part_type, base = (draw(hnp.arrays(np.int64, n_P, elements=st.integers(0, n))) for n in (3, 12))
    return scores, mask, bought & draw(st.booleans()), part_type, base, draw(st.integers(1, 3)), draw(st.integers(1, 6))


@settings(max_examples=150, deadline=None)
@given(_worlds())
def test_rules_equal_the_slow_oracle(world):
    assert top_k_with_rules(*world)[0].tolist() == _oracle(*world)


@settings(max_examples=100, deadline=None)
@given(_worlds())
def test_top_k_equals_a_stable_sort(world):
    scores, mask, k = world[0], world[1], world[6]
    index, score = top_k(scores, mask, k)
    for row in range(len(scores)):
        want = sorted(np.flatnonzero(mask[row]), key=lambda p: (-float(scores[row, p]), p))[:k]
        assert index[row, : len(want)].tolist() == want
        assert (index[row, len(want) :] == -1).all()
        np.testing.assert_array_equal(score[row, : len(want)], scores[row, want])


def test_chunks_and_depths_do_not_change_a_list(monkeypatch):
    rng = np.random.default_rng(3)
    n_P = 700
    world = (
        rng.integers(0, 30, (9, n_P)).astype(np.float32),
        rng.random((9, n_P)) < [[0.0], [0.01], [0.1], [0.3], [0.5], [0.7], [0.9], [1.0], [1.0]],
        rng.random((9, n_P)) < 0.1,
        rng.integers(0, 4, n_P),
        rng.integers(0, 500, n_P),
        2,
        12,
    )
    want = _oracle(*world)
    monkeypatch.setattr(rank, "_FIRST_DEPTH", 2)
    monkeypatch.setattr(rank, "_CHUNK_CELLS", 2_000)  # two rows at a time
    assert top_k_with_rules(*world)[0].tolist() == want


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_names_the_model_and_the_cell(bad):
    scores = _f32([[1, 2], [3, bad]])
    mask = np.ones((2, 2), dtype=bool)
    with pytest.raises(DataError, match=r"graph: 1 score.*row 1, product index 1"):
        top_k(scores, mask, 1, name="graph")
    with pytest.raises(DataError, match="graph"):
        top_k_with_rules(scores, mask, ~mask, np.zeros(2, int), np.arange(2), 1, 1, name="graph")


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ShapeError, match=r"\(1, 2\).*\(1, 3\)"):
        top_k(_f32([[1, 2]]), np.ones((1, 3), dtype=bool), 1)


class _Model:
    name = "odd"

    def __init__(self, block):
        self.block = block

    def score_block(self, start, stop):
        return self.block


def test_a_block_of_the_wrong_shape_names_its_model():
    with pytest.raises(ShapeError, match=r"odd: rows 4 to 6 scored as \(1, 2\), not \(2, 2\)"):
        checked_block(_Model(_f32([[1, 2]])), 4, 6, 2)
    with pytest.raises(DataError, match=r"odd.*row 5, product index 0"):
        checked_block(_Model(_f32([[1, 2], [np.nan, 0]])), 4, 6, 2)
