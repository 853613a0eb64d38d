"""Parts of vectors: what each holds, and what it counts for in the score."""

import numpy as np
import pytest

from gnn_core.errors import ShapeError
from gnn_core.monitoring.blocks import (
    ABSENT,
    SAME,
    TELLS,
    ZERO,
    Space,
    held_rows,
    holds,
    moved_share,
    score_shares,
)

BLOCKS = {"a": (0, 1), "b": (1, 3)}


def test_shares_by_hand():
    # Part a adds ±1 to the score of both products and b adds ±3: variances 1 and 9.
    product = np.array([[1.0, 3.0, 5.0], [-1.0, -3.0, 5.0]])
    assert score_shares(np.array([[1.0, 1.0, 1.0]]), product, BLOCKS) == pytest.approx({"a": 0.1, "b": 0.9})
    # A user who gives b no weight is ranked by a alone; what all products have in common ranks nothing.
    assert score_shares(np.array([[1.0, 0.0, 100.0]]), product, BLOCKS) == pytest.approx({"a": 1.0, "b": 0.0})
    # Over users, variances add up before they are divided.
    both = score_shares(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]), product, BLOCKS)
    assert both == pytest.approx({"a": 2 / 11, "b": 9 / 11})


def test_shares_are_those_of_scores_and_do_not_change_when_a_part_turns():
    rng = np.random.default_rng(1)
    user, product = rng.normal(size=(20, 5)), rng.normal(size=(30, 5)) + 2
    blocks = {"a": (0, 2), "b": (2, 5), "empty": (5, 5)}
    variance = [(user[:, slice(*c)] @ product[:, slice(*c)].T).var(axis=1).sum() for c in blocks.values()]
    found = score_shares(user, product, blocks)
    assert list(found.values()) == pytest.approx(list(np.array(variance) / sum(variance)))
    turn = np.eye(5)
    turn[2:, 2:] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert score_shares(user @ turn, product @ turn, blocks) == pytest.approx(found)


def test_a_score_that_tells_nothing_apart_has_no_shares():
    assert score_shares(np.ones((1, 3)), np.ones((4, 3)), BLOCKS) == {"a": 0.0, "b": 0.0}
    assert score_shares(np.ones((0, 3)), np.eye(3), BLOCKS) == {"a": 0.0, "b": 0.0}


def test_parts_have_to_cover_the_vectors():
    for user, product in ((np.ones((1, 4)), np.ones((2, 4))), (np.ones((1, 2)), np.ones((2, 3)))):
        with pytest.raises(ShapeError, match="do not have parts"):
            score_shares(user, product, BLOCKS)


def test_what_moved_is_counted_once():
    assert moved_share({"a": 1.0}, {"a": 0.25, "b": 0.75}) == pytest.approx(0.75)
    assert moved_share({"a": 0.5, "b": 0.5}, {"b": 0.5, "a": 0.5}) == 0


@pytest.mark.parametrize(
    ("part", "what"),
    [
        (np.zeros((4, 0)), ABSENT),
        (np.zeros((4, 2)), ZERO),
        (np.ones((4, 2)), SAME),
        (np.ones((4, 2)) + 1e-7 * np.eye(4, 2), SAME),
        (np.ones((4, 2)) + 1e-3 * np.eye(4, 2), TELLS),
        (np.eye(4, 2), TELLS),
    ],
    ids=["absent", "zero", "same", "rounded", "little", "some rows"],
)
def test_what_a_part_holds(part, what):
    assert holds(part) == what


def test_rows_of_rounding_hold_nothing():
    assert held_rows(np.array([[3.0, 4.0], [1e-9, 0.0], [0.0, 0.0], [0.0, 0.1]])).tolist() == [True, False, False, True]


def test_a_part_that_the_model_does_not_have_is_no_column():
    space = Space({"products": (np.array(["p"], dtype=object), np.array([[1.0, 2.0, 3.0]]))}, BLOCKS, {})
    assert space.part("products", "b").tolist() == [[2.0, 3.0]]
    assert space.part("products", "spectral").shape == (1, 0)
