"""Folds and positives: who is hidden, and what a user had done before."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_core.training.examples import build_examples, event_log, fold_of_users, ragged
from tests.core.builders import make_snapshot

CAR, RAM = "2018|ford|mustang", "2020|ram|1500"
KINDS = np.array([1.0, 3.0, 5.0])
STORE = {"owns": {"ann": [CAR], "bob": [CAR, RAM]}, "fits": {"P0": [CAR], "P1": [CAR], "P2": [RAM]}}


def built(*events: tuple, tau: float = 30.0):
    train = make_snapshot(**STORE, events=events)
    log = event_log(train, KINDS, tau)
    return log, build_examples(train, log, KINDS, tau)


def test_ragged_concatenates_ranges():
    row, position = ragged(np.array([5, 2, 7]), np.array([7, 2, 8]))
    assert row.tolist() == [0, 0, 2]
    assert position.tolist() == [5, 6, 7]


def test_a_users_fold_does_not_depend_on_other_users():
    ids = np.array([f"user{i}" for i in range(300)], dtype=object)
    all_of_them, some = fold_of_users(ids, 5, 17), fold_of_users(ids[::3], 5, 17)
    assert (all_of_them[::3] == some).all()
    assert np.bincount(all_of_them, minlength=5).min() > 30
    assert (fold_of_users(ids, 5, 18) != all_of_them).any()


def test_each_user_product_and_kind_is_one_positive_at_its_first_time():
    _, examples = built(
        ("ann", "P0", "view", "2026-05-10"),
        ("ann", "P0", "view", "2026-05-02"),
        ("ann", "P0", "order", "2026-05-20"),
    )
    assert examples.weight_N == pytest.approx([1 * np.exp(-1), 5 * np.exp(-12 / 30)])


def test_the_past_of_a_positive_ends_strictly_before_it():
    log, examples = built(
        ("ann", "P0", "view", "2026-05-02"),
        ("ann", "P1", "order", "2026-05-12", "o1"),
        ("ann", "P0", "order", "2026-05-12", "o1"),  # the same basket: not the past of P1
        ("ann", "P2", "view", "2026-05-22"),
        ("bob", "P1", "view", "2026-05-01"),
    )
    past = log.past(examples, 3, longest=50).toarray()
    tenth, twentieth = np.exp(-10 / 30), np.exp(-20 / 30)
    want = {
        (0, "2026-05-02"): [0, 0, 0],
        (0, "2026-05-12"): [tenth, 0, 0],
        (0, "2026-05-22"): [twentieth + 5 * tenth, 5 * tenth, 0],
        (1, "2026-05-01"): [0, 0, 0],
    }
    days = examples.ts_N.astype("datetime64[us]").astype("datetime64[D]").astype(str)
    assert len(past) == 5
    for user, day, row in zip(examples.user_N, days, past, strict=True):
        assert row == pytest.approx(want[int(user), str(day)])


def test_only_the_latest_events_of_a_long_past_are_read():
    log, examples = built(
        *[("ann", f"P{i % 3}", "view", f"2026-05-{10 + i}") for i in range(9)], ("ann", "P0", "order", "2026-05-30")
    )
    last = int(np.argmax(examples.ts_N))
    past = log.past(examples.take(np.array([last])), 3, longest=2)
    assert past.nnz == 2
    assert past.toarray()[0, 0] == 0


def test_fits_is_judged_on_the_users_own_vehicles():
    _, examples = built(
        ("ann", "P0", "order", "2026-05-02"),
        ("ann", "P2", "order", "2026-05-02"),  # fits a ram, and ann has none
        ("bob", "P2", "order", "2026-05-02"),
    )
    got = np.stack([examples.user_N, examples.product_N, examples.fits_N], axis=1).tolist()
    assert sorted(got) == [[0, 0, True], [0, 2, False], [1, 2, True]]
