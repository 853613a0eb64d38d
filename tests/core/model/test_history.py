"""What a history says, term by term, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gnn_core.config.history import TERMS
from gnn_core.model.history import HistoryQueries, _moments_after, history_queries, history_terms
from gnn_core.model.item_graph import ItemGraph
from gnn_core.snapshot import CART, ORDER, VIEW
from tests.core.model.tiny import KINDS, events_of

TAU = 30.0
AS_OF = np.datetime64("1970-03-01")  # day 59
NEAR = np.array([[0, 0.2, 0, 0], [0.2, 0, 0.1, 0], [0, 0.1, 0, 0], [0, 0, 0, 0]])
FOLLOWS = np.array([[0, 0.3, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0.4, 0, 0, 0]])
NO_FACTORS = np.zeros((4, 0), np.float32)
ITEMS = ItemGraph(sparse.csr_matrix(NEAR), sparse.csr_matrix(FOLLOWS), NO_FACTORS, NO_FACTORS)
# Row 0: a view of 0 thirty days before an order of 1, and a cart of 1 with it. Row 1 has no history. Row 2: 3, once.
ROWS = ((0, 0, VIEW, 9), (0, 1, ORDER, 39), (0, 1, CART, 39), (2, 3, VIEW, 49))


def asked(*rows: tuple, as_of: np.datetime64 = AS_OF) -> HistoryQueries:
    return history_queries(events_of(*rows), KINDS, (3, 4), as_of, TAU)


def terms(*rows: tuple) -> dict[str, np.ndarray]:
    found = history_terms(asked(*rows), ITEMS)
    assert all(term.shape == (3, 4) for term in found)
    return {name: term.toarray() for name, term in zip(TERMS, found, strict=True)}


def test_weights_of_a_history_match_hand_values():
    got, faded = asked(*ROWS), np.exp(-1)
    assert got.all_RP.toarray()[0] == pytest.approx([1 / 9, 8 / 9, 0, 0])
    assert got.recent_RP.toarray()[0] == pytest.approx([faded / (faded + 8), 8 / (faded + 8), 0, 0])
    # One later moment after the view; order and cart are the last moment, each with weight 1.
    assert got.latest_RP.toarray()[0] == pytest.approx([0.5 / 2.5, 2 / 2.5, 0, 0])
    assert got.fresh_RP.toarray()[0] == pytest.approx([np.exp(-50 / 30), 2 * np.exp(-20 / 30), 0, 0])
    assert [got.counts_RP[k].toarray()[0].tolist() for k in (VIEW, CART, ORDER)] == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 1, 0, 0],
    ]


def test_terms_match_hand_values():
    got, faded = terms(*ROWS), np.exp(-1)
    old, new = faded / (faded + 8), 8 / (faded + 8)
    assert got["near"][0] == pytest.approx(np.log1p(100 * np.array([0.2 * 8 / 9, 0.2 / 9, 0.1 * 8 / 9, 0])))
    assert got["near_recent"][0] == pytest.approx(np.log1p(100 * np.array([0.2 * new, 0.2 * old, 0.1 * new, 0])))
    assert got["follows"][0] == pytest.approx(np.log1p(100 * np.array([0, 0.3 * 0.2, 0.5 * 0.2, 0])))
    assert got["follows"][2] == pytest.approx([np.log(41), 0, 0, 0])
    assert got["viewed"] == pytest.approx(np.log(2) * np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]))
    assert got["carted"][0] == pytest.approx([0, np.log(2), 0, 0])
    assert got["ordered"][0] == pytest.approx([0, np.log(2), 0, 0])
    assert got["recently"][0] == pytest.approx(np.log1p([np.exp(-50 / 30), 2 * np.exp(-20 / 30), 0, 0]))


def test_a_row_without_history_says_nothing_and_nothing_is_nan():
    for name, term in terms(*ROWS).items():
        assert not term[1].any(), name
        assert np.isfinite(term).all(), name


def test_a_store_without_history_says_nothing():
    assert not any(term.any() for term in terms().values())
    nobody = history_queries(events_of(), KINDS, (0, 4), AS_OF, TAU)
    assert [term.shape for term in history_terms(nobody, ITEMS)] == [(0, 4)] * len(TERMS)


def test_only_the_fresh_term_fades_while_nothing_happens():
    """A history as a whole does not lose its direction by waiting; that it is old is said by one term."""
    soon, late = asked(*ROWS), asked(*ROWS, as_of=AS_OF + np.timedelta64(30, "D"))
    for name in ("all_RP", "recent_RP", "latest_RP"):
        assert (getattr(soon, name) != getattr(late, name)).nnz == 0, name
    assert late.fresh_RP.toarray() == pytest.approx(soon.fresh_RP.toarray() * np.exp(-1))


def test_a_history_of_decades_ago_keeps_its_direction():
    """Decay counted from the moment of asking would underflow to 0/0."""
    got = asked(*ROWS, as_of=AS_OF + np.timedelta64(40_000, "D"))
    assert got.recent_RP.toarray()[0].sum() == pytest.approx(1)
    assert not got.fresh_RP.toarray().any()


def test_moments_after_count_distinct_later_moments_of_the_row():
    history = events_of((0, 0, VIEW, 5), (0, 1, VIEW, 3), (0, 2, VIEW, 3), (0, 3, VIEW, 1), (1, 0, VIEW, 2))
    assert _moments_after(history).tolist() == [0, 1, 1, 2, 0]
    assert _moments_after(events_of()).tolist() == []


def test_the_order_of_the_events_does_not_matter():
    one, other = terms(*ROWS), terms(*ROWS[::-1])
    for name in TERMS:
        assert one[name] == pytest.approx(other[name], abs=1e-12), name


def test_some_rows_are_the_same_rows():
    some = history_terms(asked(*ROWS).rows(np.array([2, 0])), ITEMS)
    assert len(asked(*ROWS).rows(np.array([2, 0]))) == 2
    for part, whole in zip(some, terms(*ROWS).values(), strict=True):
        assert part.toarray() == pytest.approx(whole[[2, 0]])
