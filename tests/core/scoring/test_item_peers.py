"""Own history, EASE and GF-CF against their formulas, dense and by hand; what stands behind a model that is silent."""

from dataclasses import replace

import numpy as np
import pytest

from gnn_core.scoring.peers import Popularity
from gnn_core.scoring.peers.ease import Ease
from gnn_core.scoring.peers.gf_cf import GfCf
from gnn_core.scoring.peers.own_history import OwnHistory
from gnn_core.scoring.peers.silent import beside_own, mean_of_owners, mean_of_segments, over_silent
from tests.contract.recommender_registry import tiny_settings
from tests.core.builders import make_snapshot
from tests.core.scoring.small import scores_by_user

CAR = "1969|chevrolet|camaro"
WEIGHTS = {"view": 1.0, "cart": 3.0, "order": 5.0}
PEERS = replace(
    tiny_settings().peers,
    ease_decay_tau_days=10.0,
    ease_own_history=0.0,
    gf_cf_decay_tau_days=10.0,
    gf_cf_own_history=0.0,
)
X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0]])  # a b c d q; nobody touched P3
TOUCHED = [(u, f"P{p}", "view", "2026-01-01") for u, row in zip("abcd", X, strict=False) for p in np.flatnonzero(row)]
STORE = {
    "owns": {u: [CAR] for u in "abcdqz"},
    "fits": {f"P{p}": [CAR] for p in range(4)},
    "events": [*TOUCHED, ("q", "P0", "order", "2026-02-11"), ("q", "P2", "view", "2026-02-01")],
}
QUERY = np.array([5, 0, np.exp(-1), 0])
TRACE = 1.1e-3  # popularity, which knows one order of P0


def test_own_history_is_the_decayed_query_over_a_trace_of_the_fallback():
    scores = scores_by_user(OwnHistory(10.0, WEIGHTS, silent=Popularity()), make_snapshot(**STORE))
    want = QUERY / QUERY.max()
    np.testing.assert_allclose(scores["q"], want, atol=TRACE)
    assert scores["q"][0] > want[0], "the trace of popularity, which orders what q never touched"
    np.testing.assert_array_equal(scores["z"], [1, 0, 0, 0])


def _ease(**changes):
    return scores_by_user(Ease(replace(PEERS, **changes), WEIGHTS, silent=Popularity()), make_snapshot(**STORE))


def _ease_weights(x, penalty):
    inverse = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def test_ease_by_hand():
    scores = _ease(ease_penalty=2.0)
    want = QUERY[:3] @ _ease_weights(X[:, :3], 2.0)
    np.testing.assert_allclose(scores["q"], [*want / want.max(), 0], atol=TRACE)
    assert scores["q"][0] < 0.5  # not what q asked with


def test_ease_keeps_the_most_touched_products_and_leaves_the_rest_to_the_fallback():
    scores = _ease(ease_penalty=2.0, ease_max_products=2)
    # P2 has as few users as nobody else: only P0 and P1 take part.
    want = QUERY[:2] @ _ease_weights(X[:, :2], 2.0)
    np.testing.assert_allclose(scores["q"], [*want / want.max(), 0, 0], atol=TRACE)
    only_p2 = {"events": [*TOUCHED, ("q", "P2", "view", "2026-02-01"), ("a", "P3", "order", "2026-02-01")]}
    train = make_snapshot(**STORE | only_p2)
    silent = scores_by_user(Ease(replace(PEERS, ease_max_products=2), WEIGHTS, silent=Popularity()), train)
    assert silent["q"].tolist() == [0, 0, 0, 1]


def test_ease_brings_back_own_history_only_when_asked_to():
    plain, with_own = _ease(ease_penalty=2.0), _ease(ease_penalty=2.0, ease_own_history=0.5)
    np.testing.assert_allclose(
        with_own["q"] * np.max(plain["q"] + 0.5 * QUERY / 5), plain["q"] + 0.5 * QUERY / 5, atol=3 * TRACE
    )


def test_ease_and_gf_cf_hear_a_faded_history_less():
    slow, quick = _ease(ease_decay_tau_days=1e9)["q"], _ease(ease_decay_tau_days=0.1)["q"]
    alone = np.array([5.0, 0, 0]) @ _ease_weights(X[:, :3], PEERS.ease_penalty)
    np.testing.assert_allclose(quick[:3], alone / alone.max(), atol=TRACE)
    assert not np.allclose(slow, quick, atol=0.01)
    slow, quick = _gf_cf(gf_cf_decay_tau_days=1e9)["q"], _gf_cf(gf_cf_decay_tau_days=0.1)["q"]
    assert not np.allclose(slow, quick, atol=0.01)


def test_cold_rows_are_the_fallbacks():
    for scores in (_ease(), _gf_cf()):
        assert scores["z"].tolist() == [1, 0, 0, 0]


def test_a_store_without_events_is_the_fallbacks():
    train = make_snapshot(**STORE | {"events": []})
    for model in (Ease(PEERS, WEIGHTS, silent=Popularity()), GfCf(PEERS, WEIGHTS, 1, silent=Popularity())):
        assert scores_by_user(model, train)["q"].tolist() == [0] * 4


def _gf_cf(**changes):
    return scores_by_user(GfCf(replace(PEERS, **changes), WEIGHTS, 1, silent=Popularity()), make_snapshot(**STORE))


@pytest.mark.parametrize(("rank", "low_pass"), [(1, 0.3), (2, 2.0), (3, 0.3), (9, 0.3), (9, 0.0)])
def test_gf_cf_by_hand(rank, low_pass):
    x = X[:, :3].astype(float)
    users, products = x.sum(axis=1), x.sum(axis=0)
    norm = x / np.sqrt(users)[:, None] / np.sqrt(products)
    vectors = np.linalg.svd(norm)[2][:rank].T
    ideal = np.diag(products**-0.5) @ vectors @ vectors.T @ np.diag(products**0.5)
    want = QUERY[:3] / QUERY.sum() @ (norm.T @ norm + low_pass * ideal)
    got = _gf_cf(gf_cf_rank=rank, gf_cf_low_pass=low_pass)["q"]
    np.testing.assert_allclose(got, [*want / want.max(), 0], atol=TRACE)


def test_the_low_pass_lets_nothing_through_that_no_user_carries():
    # Everyone who touched P0 touched P1: one singular vector, however many are asked for, so the two are one product.
    events = [(u, p, "view", "2026-01-01") for u in "abq" for p in ("P0", "P1")]
    train = make_snapshot(**STORE | {"events": [*events, ("q", "P0", "view", "2026-02-01")]})
    model = GfCf(replace(PEERS, gf_cf_rank=9, gf_cf_low_pass=5.0), WEIGHTS, 1, silent=Popularity())
    scores = scores_by_user(model, train)["q"]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_gf_cf_adds_own_history_when_asked_to():
    plain, with_own = (_gf_cf(gf_cf_rank=1, gf_cf_own_history=w)["q"] for w in (0.0, 2.0))
    both = plain + 2 * QUERY / 5
    np.testing.assert_allclose(with_own, both / both.max(), atol=TRACE)


def test_over_silent_by_hand():
    silent = np.array([[4, 2, 0], [4, 2, 0], [0, 0, 0]], dtype=np.float32)
    found = np.array([[0, 2, -1], [0, 0, -3], [0, 5, 1]], dtype=np.float32)
    want = [[0.001, 1.0005, -0.5], [4, 2, 0], [0, 1, 0.2]]
    np.testing.assert_allclose(over_silent(silent, found), want, rtol=1e-5)
    assert silent[0, 0] == 4


def test_beside_own_by_hand():
    found, own = np.array([[2, 4], [0, 0]], dtype=np.float32), np.array([[10, 0], [1, 2]], dtype=np.float32)
    np.testing.assert_allclose(beside_own(found, own, 0.1), [[0.6, 1], [0.05, 0.1]])
    assert beside_own(found, own, 0.0) is found


def test_means_of_owners_and_of_segments_by_hand():
    train = make_snapshot(
        owns={"a": [CAR], "b": [CAR, "1970|ford|pinto"], "c": ["1980|honda|civic"]}, fits={"P0": [CAR]}
    )
    owns = train.owns_US
    segments = mean_of_owners(np.array([[2, 0], [4, 2]], dtype=np.float32), owns[:2])
    order = [list(train.segment_ids).index(s) for s in ("chevrolet|camaro", "ford|pinto", "honda|civic")]
    np.testing.assert_allclose(segments[order], [[3, 1], [4, 2], [0, 0]])
    np.testing.assert_allclose(mean_of_segments(segments, owns), [[3, 1], [3.5, 1.5], [0, 0]])
