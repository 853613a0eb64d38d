"""Hand values, edges and refusals of the per-user metrics."""

import numpy as np
import pytest

from gnn_core.errors import ShapeError
from gnn_core.evaluation import metrics
from gnn_core.evaluation.ranks import FlatCandidates


def _hits(*rows):
    return np.array(rows, dtype=bool)


@pytest.mark.parametrize(
    ("hits", "n_relevant", "want"),
    [
        pytest.param([1, 0, 0], 1, 1.0, id="only positive ranked first"),
        pytest.param([0, 1, 0], 1, 1 / np.log2(3), id="one place lower"),
        pytest.param([1, 1, 1], 9, 1.0, id="more positives than places is still perfect"),
        pytest.param([1, 0, 1], 2, (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3)), id="first and third of two"),
        pytest.param([0, 0, 0], 2, 0.0, id="no hit"),
    ],
)
def test_ndcg_matches_hand_value(hits, n_relevant, want):
    assert metrics.ndcg_at_k(_hits(hits), np.array([n_relevant]))[0] == pytest.approx(want, abs=1e-15)


@pytest.mark.parametrize(
    ("hits", "n_relevant", "recall", "hit_rate"),
    [
        pytest.param([1, 0, 1, 0], 4, 0.5, 1.0, id="two of four"),
        pytest.param([0, 0, 0, 0], 3, 0.0, 0.0, id="none of three"),
        pytest.param([1, 1, 1, 1], 8, 0.5, 1.0, id="a full list of four cannot hold eight"),
    ],
)
def test_recall_and_hit_rate_match_hand_values(hits, n_relevant, recall, hit_rate):
    assert metrics.recall_at_k(_hits(hits), np.array([n_relevant])).tolist() == [recall]
    assert metrics.hit_rate_at_k(_hits(hits)).tolist() == [hit_rate]


def test_metrics_stay_vectors_with_one_value_a_user():
    hits = _hits([1, 0], [0, 0], [1, 1])
    assert metrics.recall_at_k(hits, np.array([1, 5, 4])).tolist() == [1.0, 0.0, 0.5]
    assert metrics.hit_rate_at_k(hits).tolist() == [1.0, 0.0, 1.0]


def test_reciprocal_rank_takes_the_best_place_and_zero_for_none():
    best = metrics.best_rank(np.array([0, 0, 2]), np.array([7, 4, 0]), n_users=3)
    assert best.tolist() == [4, 0, 0]
    assert metrics.reciprocal_rank(best).tolist() == [0.25, 0.0, 0.0]


def test_places_beyond_k_and_unlisted_ones_are_no_hits():
    hits = metrics.hits_from_ranks(np.array([0, 0, 1, 1]), np.array([1, 4, 0, 3]), n_users=3, k=3)
    assert hits.astype(int).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("hits", "n_relevant", "message"),
    [
        pytest.param(np.zeros((2, 3), bool), np.array([1]), r"\(2, 3\) and n_relevant_U \(1,\)", id="lengths differ"),
        pytest.param(np.zeros((1, 0), bool), np.array([1]), "K ≥ 1", id="no place at all"),
        pytest.param(np.zeros((2, 3), bool), np.array([1, 0]), r"n_relevant_U\[1\] is 0", id="user without positive"),
        pytest.param(np.ones((1, 3), bool), np.array([2]), "more hits", id="more hits than positives"),
    ],
)
def test_wrong_shapes_are_named(hits, n_relevant, message):
    for metric in (metrics.recall_at_k, metrics.ndcg_at_k):
        with pytest.raises(ShapeError, match=message):
            metric(hits, n_relevant)


def test_two_positives_cannot_share_a_place():
    with pytest.raises(ShapeError, match="same place"):
        metrics.hits_from_ranks(np.array([0, 0]), np.array([2, 2]), n_users=1, k=5)


def test_ranks_count_better_candidates_and_break_ties_by_index():
    mask = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 0, 0]], dtype=bool)
    scores = np.array([[0.5, 0.5, 9.0, 0.7, 0.5], [0.0, -1.0, 3.0, 9.0, 9.0]], dtype=np.float32)
    flat = FlatCandidates.of(mask)
    row, product = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 3, 4, 1, 2])
    # Product 2 of row 0 and products 3, 4 of row 1 score best but are no candidates.
    assert flat.ranks(flat.take(scores), row, product).tolist() == [2, 3, 1, 4, 2, 1]


def test_ranks_agree_with_sorting(monkeypatch):
    monkeypatch.setattr("gnn_core.evaluation.ranks._CHUNK", 50)  # several chunks
    rng = np.random.default_rng(3)
    mask, scores = rng.random((20, 40)) < 0.6, rng.integers(0, 8, (20, 40)).astype(np.float32)
    row, product = np.nonzero(mask & (rng.random(mask.shape) < 0.2))
    flat = FlatCandidates.of(mask)
    want = []
    for r, p in zip(row, product, strict=True):
        candidates = np.flatnonzero(mask[r])
        want.append(1 + list(candidates[np.lexsort((candidates, -scores[r, candidates]))]).index(p))
    assert flat.ranks(flat.take(scores), row, product).tolist() == want


def test_a_product_that_is_no_candidate_cannot_be_ranked():
    flat = FlatCandidates.of(np.array([[True, False]]))
    assert flat.holds(np.array([0, 0]), np.array([0, 1])).tolist() == [True, False]
    with pytest.raises(ShapeError, match="no candidate"):
        flat.ranks(np.array([1.0]), np.array([0]), np.array([1]))
