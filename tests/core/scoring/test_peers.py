"""Scores of the simple models by hand."""

from dataclasses import replace

import numpy as np
import pytest

from gnn_core.errors import ConfigError, DataError
from gnn_core.scoring.peers import Popularity, Smoother
from gnn_core.scoring.peers.implicit_als import ImplicitAls
from gnn_core.scoring.peers.item_knn import ItemKnn
from tests.contract.recommender_registry import tiny_settings
from tests.core.builders import make_snapshot
from tests.core.scoring.small import scores_by_user

CAMARO, NOVA, MUSTANG = "1969|chevrolet|camaro", "1969|chevrolet|nova", "1969|ford|mustang"
WEIGHTS = {"view": 1.0, "cart": 3.0, "order": 5.0}
KNN = replace(
    tiny_settings().peers,
    item_knn_neighbours=10,
    item_knn_shrinkage=1.0,
    item_knn_decay_tau_days=10.0,
    item_knn_own_history=False,
    als_factors=4,
    als_iterations=5,
    als_regularization=0.1,
    als_alpha=1.0,
)
STORE = {
    "owns": {"a": [CAMARO], "b": [NOVA], "c": [MUSTANG], "d": [CAMARO, NOVA], "e": [MUSTANG], "f": [CAMARO], "g": []},
    "fits": {p: [CAMARO, NOVA, MUSTANG] for p in ("P0", "P1", "P2")},
    "events": [
        ("a", "P0", "order", "2026-01-01"),
        ("a", "P0", "order", "2026-02-01"),
        ("b", "P1", "order", "2026-01-01"),
        ("d", "P0", "order", "2026-01-01"),  # counts for the Camaro and for the Nova, but once for Chevrolet
        ("c", "P2", "order", "2026-01-01"),
        ("c", "P1", "view", "2026-01-01"),  # views are no orders
        ("c", "P1", "order", "2026-06-01"),  # after the cutoff
    ],
}


def test_popularity_counts_orders():
    assert scores_by_user(Popularity(), make_snapshot(**STORE))["e"].tolist() == [3, 1, 1]


def test_smoother_by_hand():
    scores = scores_by_user(Smoother(segment_strength=2.0, make_strength=4.0), make_snapshot(**STORE))
    pi = np.array([3, 1, 1]) / 5
    chevrolet = (np.array([3, 1, 0]) + 4 * pi) / (4 + 4)
    ford = (np.array([0, 0, 1]) + 4 * pi) / (1 + 4)
    camaro = (np.array([3, 0, 0]) + 2 * chevrolet) / (3 + 2)
    nova = (np.array([1, 1, 0]) + 2 * chevrolet) / (2 + 2)
    mustang = (np.array([0, 0, 1]) + 2 * ford) / (1 + 2)
    np.testing.assert_allclose(scores["f"], camaro, rtol=1e-6)
    np.testing.assert_allclose(scores["b"], nova, rtol=1e-6)
    np.testing.assert_allclose(scores["e"], mustang, rtol=1e-6)
    np.testing.assert_allclose(scores["d"], np.maximum(camaro, nova), rtol=1e-6)
    np.testing.assert_allclose(scores["g"], pi, rtol=1e-6)  # without a vehicle: the store's shares
    np.testing.assert_allclose(camaro.sum(), 1)


def test_two_segment_orders_do_not_outrank_a_hundred_elsewhere():
    # The cascade's cliff: × 10 from the second order in the segment on. Five orders, two of them for P0.
    owns = {f"n{i}": [NOVA] for i in range(5)} | {f"f{i:03}": [MUSTANG] for i in range(200)}
    events = [("n0", "P0", "order", "2026-01-01"), ("n1", "P0", "order", "2026-01-01")]
    events += [(f"n{i}", "P2", "order", "2026-01-01") for i in range(2, 5)]
    events += [(f"f{i:03}", "P1", "order", "2026-01-01") for i in range(200)]
    train = make_snapshot(owns=owns, fits=STORE["fits"], events=events)
    scores = scores_by_user(Smoother(segment_strength=10.0, make_strength=30.0), train)["n4"]
    assert scores[1] > scores[2] > scores[0]


def test_smoother_of_a_store_without_orders_is_flat_and_finite():
    scores = scores_by_user(Smoother(1.0, 1.0), make_snapshot(owns=STORE["owns"], fits=STORE["fits"]))
    np.testing.assert_allclose(scores["a"], [1 / 3] * 3, rtol=1e-6)


def test_a_strength_of_zero_is_refused():
    with pytest.raises(ConfigError, match=r"0 and 1\.0"):
        Smoother(0, 1.0)


# Users who touched: a {P0, P1}, b {P0, P1}, c {P1, P2}. q asks with P0, ten days after P2.
KNN_STORE = {
    "owns": {u: [CAMARO] for u in "abcq"},
    "fits": {p: [CAMARO] for p in ("P0", "P1", "P2", "P3")},
    "events": [
        (u, p, "view", "2026-01-01") for u, ps in (("a", "01"), ("b", "01"), ("c", "12")) for p in map("P{}".format, ps)
    ],
}


def _knn(train, eligible=(True,) * 4, **changes):
    return scores_by_user(ItemKnn(replace(KNN, **changes), WEIGHTS, np.array(eligible), silent=Popularity()), train)


def _knn_store(*more):
    return make_snapshot(**(KNN_STORE | {"events": [*KNN_STORE["events"], *more]}))


def test_item_knn_by_hand():
    scores = _knn(_knn_store(("q", "P0", "order", "2026-02-11"), ("q", "P2", "view", "2026-02-01")))["q"]
    one, six = np.log(2), np.log(6)  # a view, an order
    x = np.array([[one, one, 0], [one, one, 0], [0, one, one], [six, 0, one]])
    norm = np.sqrt((x**2).sum(axis=0))
    sim = x.T @ x / (np.outer(norm, norm) + 1)
    np.fill_diagonal(sim, 0)
    want = np.array([5, 0, np.exp(-10 / 10)]) @ sim
    np.testing.assert_allclose(scores, [*want / want.max(), 0], atol=1.1e-3)  # plus a trace of popularity


def test_item_knn_keeps_only_the_strongest_neighbours_that_are_eligible():
    query = ("q", "P1", "view", "2026-02-01")
    every = _knn(_knn_store(query))["q"]
    assert every[0] > every[2] > every[3] == 0
    assert (_knn(_knn_store(query), item_knn_neighbours=1)["q"] > 0).tolist() == [True, False, False, False]
    without = _knn(_knn_store(query), item_knn_neighbours=1, eligible=(False, True, True, True))["q"]
    assert (without > 0).tolist() == [False, False, True, False]


def test_item_knn_brings_back_own_history_only_when_asked_to():
    query = ("q", "P1", "view", "2026-02-01")
    assert _knn(_knn_store(query))["q"].argmax() == 0
    assert _knn(_knn_store(query), item_knn_own_history=True)["q"].argmax() == 1


def test_item_knn_hears_a_history_of_long_ago():
    recent = _knn(_knn_store(("q", "P0", "view", "2026-02-01")))["q"]
    ancient = _knn(_knn_store(("q", "P0", "view", "1996-02-01")))["q"]
    np.testing.assert_allclose(ancient, recent, rtol=1e-5)


def test_item_knn_is_silent_where_it_knows_nothing():
    train = _knn_store(("q", "P3", "order", "2026-02-01"))  # nobody else touched P3
    scores = _knn(train)
    assert scores["q"].tolist() == [0, 0, 0, 1]  # popularity's, since only P3 was ordered
    knowing = _knn(_knn_store(("q", "P0", "view", "2026-02-01"), ("c", "P3", "order", "2025-02-01")))["q"]
    assert knowing[1] == 1  # a neighbour, though popularity knows P3 alone


def test_als_without_events_is_an_error_that_says_until_when():
    train = make_snapshot(owns=STORE["owns"], fits=STORE["fits"])
    with pytest.raises(DataError, match="no event before 2026-06-01"):
        ImplicitAls(KNN, WEIGHTS, 1, silent=Popularity()).fit(train)


def test_als_folds_a_cold_row_in_as_the_mean_of_its_segments():
    train = make_snapshot(**STORE | {"owns": STORE["owns"] | {"h": [CAMARO, MUSTANG]}})
    scores = scores_by_user(ImplicitAls(KNN, WEIGHTS, 1, silent=Popularity()), train)
    np.testing.assert_allclose(scores["h"], (scores["f"] + scores["e"]) / 2, rtol=1e-5, atol=1e-7)
    assert scores["f"].argmax() == 0
    assert scores["e"].argmax() == 2
