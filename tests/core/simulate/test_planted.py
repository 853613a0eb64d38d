"""Planted worlds are what they claim: where SQL is right nobody beats it, and where it is not, somebody does."""

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from gnn_core.errors import DataError
from gnn_core.simulate import SIZES, RawStore, World, simulate
from gnn_core.simulate.cascade import Orders, best_k, cascade_scores, user_scores
from gnn_core.simulate.planting import SLOPE, _in_top, pooled_scores
from gnn_core.simulate.sizes import TEST_START, moment
from gnn_core.simulate.vehicles import Garage

CUTOFF = np.datetime64("2026-01-31")


def garage_of(makes: list[int], segments: list[int]) -> Garage:
    n = len(makes)
    names = np.array([f"v{i}" for i in range(n)], dtype=object)
    return Garage(
        names, np.full(n, 2000), names, names, np.array(segments), np.array(makes), np.zeros(n, dtype=np.int64),
        ("only",), np.zeros(1, dtype=np.int64), np.full(n, 1 / n),
    )  # fmt: skip


def test_cascade_matches_hand_values():
    # Vehicles 0 and 1 are segment 0 and 1 of make 0; vehicle 2 is segment 2 of make 1. Everything fits everything.
    garage = garage_of([0, 0, 1], [0, 1, 2])
    vehicles = np.array([[0, -1, -1], [1, -1, -1], [2, -1, -1]])
    fits = sparse.csr_matrix(np.ones((3, 4), dtype=np.float32))
    # Segment 0: three of product 0, two of 1, one of 2 → 6 orders. Segment 1: 14 of product 3. Make 0: 20; make 1: 0.
    user = np.array([0] * 6 + [1] * 14)
    product = np.array([0, 0, 0, 1, 1, 2] + [3] * 14)
    orders = Orders(user, product, np.arange(20))
    score = cascade_scores(orders, vehicles, garage, fits).toarray()
    ln = np.log
    assert score[0] == pytest.approx([10 * ln(4), 10 * ln(3), 2 * ln(2), 8 * ln(15)], abs=1e-6)
    assert score[1] == pytest.approx([8 * ln(4), 8 * ln(3), 2 * ln(2), 10 * ln(15)], abs=1e-6)
    assert score[2] == pytest.approx([2 * ln(4), 2 * ln(3), 2 * ln(2), 2 * ln(15)], abs=1e-6)
    # One order fewer: the make's tier is closed.
    fewer = cascade_scores(orders.before(19), vehicles, garage, fits).toarray()
    assert fewer[1] == pytest.approx([2 * ln(4), 2 * ln(3), 2 * ln(2), 10 * ln(14)], abs=1e-6)


def test_an_order_counts_once_in_each_segment_of_its_user():
    garage = garage_of([0, 0, 1], [0, 0, 1])
    fits = sparse.csr_matrix(np.ones((3, 1), dtype=np.float32))
    orders = Orders(np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64), np.arange(5))
    score = cascade_scores(orders, np.array([[0, 1, 2]]), garage, fits).toarray()
    assert score[:, 0] == pytest.approx([10 * np.log(6)] * 3, abs=1e-6)


def test_best_vehicle_counts_and_ties_go_to_the_lower_position():
    scores = sparse.csr_matrix((np.array([5.0, 0.0, 7.0]), (np.array([0, 0, 1]), np.array([0, 1, 1]))), shape=(2, 3))
    best = user_scores(scores, np.array([[0, 1, -1], [0, -1, -1]]), np.array([True, True, True]))
    assert best.tolist() == [[5.0, 7.0, -np.inf], [5.0, 0.0, -np.inf]]
    assert best_k(np.array([[1.0, 1.0, -np.inf]]), 3).tolist() == [[0, 1, -1]]
    top = _in_top(np.array([1, 0, 0, 0]), np.array([0, 2, 1, 0]), np.array([0.0, 3.0, 3.0, 1.0]), 1)
    assert top.tolist() == [True, False, True, False]


def candidates(store: RawStore) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """SQL and oracle scores of 300 users at the start of the test window, and what they may choose from."""
    truth = store.truth
    users = truth.user_ids[:300]
    oracle = truth.oracle_scores(users, truth.product_ids)
    sql = truth.sql_scores(users, truth.product_ids, CUTOFF)
    return sql, oracle, truth.eligible_P[None, :] & (sql > -1)


def test_in_the_null_choice_is_a_strictly_increasing_function_of_the_sql_score(null_store):
    sql, oracle, may = candidates(null_store)
    assert ((oracle > -1e8) == may).all()
    for user in range(len(sql)):
        values, at = np.unique(sql[user][may[user]], return_inverse=True)
        log_odds = oracle[user][may[user]]
        assert np.ptp(log_odds - SLOPE * values[at]) < 1e-4  # equal scores are equally likely, too
    assert len(np.unique(np.round(sql[may], 4))) > 20


def test_in_the_null_oracle_and_sql_list_the_same_products(null_store):
    sql, oracle, may = candidates(null_store)
    by_sql = best_k(np.where(may, sql, -np.inf), 10)
    by_oracle = best_k(np.where(may, np.round(oracle, 3), -np.inf), 10)
    assert np.array_equal(by_sql, by_oracle)


def test_in_the_null_the_window_is_drawn_from_that_choice(null_store):
    """The share of choices among the cascade's top 10 is what the true probabilities say."""
    truth = null_store.truth
    window = truth.ledger.take((truth.ledger.ts_E >= TEST_START) & (truth.ledger.order_E < 0))
    vehicle = truth.shop.people.vehicles_U3[window.person_E, 0]
    used, row = np.unique(vehicle, return_inverse=True)
    chance = truth.choice_probabilities(truth.vehicle_ids[used])
    orders = truth.ledger.orders(len(truth.user_ids)).before(TEST_START)
    scores = cascade_scores(orders, truth.shop.people.vehicles_U3, truth.shop.garage, truth.shop.catalogue.fits_VP)
    top = best_k(user_scores(scores, used[:, None], truth.eligible_P), 10)
    expected = np.take_along_axis(chance, top, axis=1).sum(axis=1)[row].mean()
    got = (top[row] == window.product_E[:, None]).any(axis=1).mean()
    assert got == pytest.approx(expected, abs=0.03)


def recall_at_10(store: RawStore, score_VP: np.ndarray) -> float:
    """Expected recall of a ranking of vehicles' candidates, over the visits of the window."""
    truth = store.truth
    visitors = np.unique(truth.ledger.person_E[truth.ledger.ts_E >= TEST_START])
    used, count = np.unique(truth.shop.people.vehicles_U3[visitors, 0], return_counts=True)
    chance = truth.choice_probabilities(truth.vehicle_ids[used])
    top = best_k(np.where(chance > 0, score_VP[used], -np.inf), 10)
    return float(np.take_along_axis(chance, top, axis=1).sum(axis=1) @ count / count.sum())


def rankings(store: RawStore) -> dict[str, float]:
    truth = store.truth
    shop, n_U = truth.shop, len(truth.user_ids)
    past = truth.ledger.take(truth.ledger.ts_E < TEST_START)
    fits = shop.catalogue.fits_VP
    sql = cascade_scores(past.orders(n_U), shop.people.vehicles_U3, shop.garage, fits).toarray()
    pooled = pooled_scores(past, shop.people.vehicles_U3, shop.garage, fits.shape[1])[shop.garage.platform_V]
    oracle = truth.window_utility_VP.toarray()
    return {name: recall_at_10(store, s) for name, s in (("sql", sql), ("pooled", pooled), ("oracle", oracle))}


def test_in_the_null_nothing_beats_sql(null_store):
    reached = rankings(null_store)
    assert reached["sql"] == pytest.approx(reached["oracle"], abs=1e-6)
    assert reached["pooled"] < reached["sql"]


def test_planted_structure_is_there_for_the_taking(structured_store):
    reached = rankings(structured_store)
    assert 0.1 < reached["sql"] < 0.5
    assert reached["pooled"] / reached["sql"] - 1 == pytest.approx(0.15, abs=0.03)
    assert 0.15 < reached["oracle"] / reached["sql"] - 1 < 0.45
    assert 0 < structured_store.truth.structure_weight < 1


def test_more_lift_takes_more_structure(structured_store):
    less = simulate("trial", seed=5, world=World.planted_structure(0.05))
    assert less.truth.structure_weight < structured_store.truth.structure_weight


def test_lift_that_the_history_can_not_support_is_refused():
    # So many orders a segment that the cascade sees nearly all there is.
    rich = dataclasses.replace(SIZES["trial"], segments=12, year_models=100, fitment_pairs=1_500, platforms=10)
    with pytest.raises(DataError, match=r"supports a lift of -?0\.\d+, not 0.25"):
        simulate(rich, seed=1, world=World.planted_structure(0.25))


def test_planted_worlds_are_unambiguous(null_store):
    """One vehicle a user, one product an order, only fitting eligible products, no visit through an e-mail."""
    truth = null_store.truth
    assert (truth.shop.people.vehicles_U3[:, 1] == -1).all()
    ledger = truth.ledger
    assert not ledger.mail_E.any()
    assert truth.eligible_P[ledger.product_E].all()
    vehicle = truth.shop.people.vehicles_U3[ledger.person_E, 0]
    assert (np.asarray(truth.shop.catalogue.fits_VP[vehicle, ledger.product_E]).ravel() > 0).all()
    numbers = ledger.order_E[ledger.order_E >= 0]
    assert len(np.unique(numbers)) == len(numbers)
    assert ledger.ts_E.min() < moment(np.datetime64("2025-09-01").astype(object))
