"""Negatives: what is drawn, and what is never a negative."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_core.training.negatives import NegativeSampler
from tests.core.builders import make_snapshot

CAR, RAM, BARE = "2018|ford|mustang", "2020|ram|1500", "2021|kia|rio"
# Year/make/model decides: P2 fits the 1967 car only, which nobody here owns.
OLD = "1967|ford|mustang"
TRAIN = make_snapshot(
    owns={"ann": [CAR], "bob": [CAR, RAM], "kim": [BARE]},
    fits={"P0": [CAR], "P1": [CAR], "P2": [OLD], "P3": [RAM], "P4": []},
    events=[
        ("ann", "P0", "order", "2026-05-02"),
        ("bob", "P3", "view", "2026-05-02"),
        ("kim", "P4", "view", "2026-05-02"),
    ],
)
ANN, BOB, KIM = 0, 1, 2


def sampler(popularity=(1, 0, 0, 9, 0)) -> NegativeSampler:
    return NegativeSampler(TRAIN, np.array(popularity, dtype=float))


def usable(user: int, drawn: tuple) -> set[int]:
    product, ok = drawn
    return set(product[user][ok[user]].tolist())


def test_fitting_negatives_fit_the_users_own_years_and_were_never_touched():
    drawn = sampler().fitting(np.array([ANN, BOB, KIM]), 200, np.random.default_rng(0))
    assert usable(ANN, drawn) == {1}
    assert usable(BOB, drawn) == {0, 1}
    assert usable(KIM, drawn) == set()  # nothing fits: no draw is usable, and none is an error


def test_fitting_draws_are_uniform_over_what_fits():
    product, _ = sampler().fitting(np.array([BOB]), 6000, np.random.default_rng(0))
    assert np.bincount(product[0], minlength=5) / 6000 == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3, 0], abs=0.03)


def test_fitting_negatives_without_any_fitment_are_unusable():
    nothing_fits = make_snapshot(owns={"ann": [CAR]}, fits={"P0": []}, events=[("ann", "P0", "view", "2026-05-02")])
    _, ok = NegativeSampler(nothing_fits, np.ones(1)).fitting(np.array([0]), 5, np.random.default_rng(0))
    assert not ok.any()


def test_popular_draws_come_with_the_log_of_their_inclusion_probability():
    n, rounds = 4, 4000
    counted = np.zeros(5)
    expected = np.zeros(5)
    rng = np.random.default_rng(1)
    for _ in range(rounds):
        product, log_q = sampler().popular(n, rng)
        assert (np.diff(product) > 0).all()
        counted[product] += 1
        expected[product] = np.exp(log_q)
    share = np.array([1.5, 0.5, 0.5, 9.5, 0.5]) / 12.5
    assert expected == pytest.approx(1 - (1 - share) ** n)
    assert counted / rounds == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("kind", ["uniform", "in_batch"])
def test_other_draws_mask_what_the_user_touched(kind):
    rng, users = np.random.default_rng(0), np.array([ANN, BOB, KIM])
    batch_products = np.array([0, 3, 4])
    drawn = (
        sampler().uniform(users, 300, rng) if kind == "uniform" else sampler().in_batch(users, batch_products, 300, rng)
    )
    everything = set(range(5)) if kind == "uniform" else {0, 3, 4}
    for user, touched in ((ANN, 0), (BOB, 3), (KIM, 4)):
        assert usable(user, drawn) == everything - {touched}


def test_both_ways_to_ask_what_was_touched_agree():
    users, shared = np.array([BOB, ANN, KIM, ANN]), np.array([0, 2, 3])
    want = [[False, False, True], [True, False, False], [False, False, False], [True, False, False]]
    assert sampler().touched_among(users, shared).tolist() == want
    assert sampler().touched(users, np.broadcast_to(shared, (4, 3))).tolist() == want
