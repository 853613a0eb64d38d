"""Sums of an arm, the delta method and CUPED against values by hand and against brute force."""

import numpy as np
import pandas as pd
import pytest

from gnn_core.experiment.summary import adjusted_means, count_arm, mean_of, ratio_of


def test_counts_of_an_arm_are_distinct():
    users = pd.DataFrame(
        {
            "arm": ["control", "control", "treatment"], "sends": [2, 0, 5], "opens": [1, 0, 1], "clicks": [2, 0, 1],
            "clicked": [True, False, True], "bought": [True, False, False], "orders": [3, 0, 0],
            "revenue": [99.5, 0.0, 0.0],
        }
    )  # fmt: skip
    arm = count_arm(users, "control")
    assert (arm.users, arm.mailed, arm.sends, arm.clicks, arm.clickers) == (2, 1, 2, 2, 1)
    assert (arm.buyers, arm.orders, arm.revenue) == (1, 3, 99.5)


def test_mean_of_one_user_has_no_variance():
    assert mean_of(np.array([0.0, 1.0])) == pytest.approx((0.5, 0.25))
    assert np.isnan(mean_of(np.array([1.0]))).all()


def test_ratio_by_hand():
    # Σ 3 / Σ 6 = .5; residuals 1−1, 0−.5, 2−1.5 = 0, −.5, .5; variance .25; mean sends 2.
    ratio, variance = ratio_of(np.array([1.0, 0.0, 2.0]), np.array([2.0, 1.0, 3.0]))
    assert ratio == 0.5
    assert variance == pytest.approx(0.25 / (3 * 4))
    assert np.isnan(ratio_of(np.zeros(3), np.zeros(3))).all()


def test_the_delta_method_sees_that_a_users_sends_are_alike():
    rng = np.random.default_rng(1)
    sends = rng.integers(1, 6, 4_000).astype(float)
    taste = rng.beta(0.1, 5.0, 4_000)
    clicks = rng.binomial(sends.astype(int), taste).astype(float)
    ratio, variance = ratio_of(clicks, sends)
    draws = rng.integers(0, 4_000, size=(1_500, 4_000))
    brute = (clicks[draws].sum(axis=1) / sends[draws].sum(axis=1)).var()
    assert variance == pytest.approx(brute, rel=0.15)
    assert variance > 1.3 * ratio * (1 - ratio) / sends.sum()  # what independent sends would claim


def test_history_that_explains_everything_leaves_no_variance():
    x_c, x_t = np.array([0.0, 1.0, 2.0, 1.0]), np.array([2.0, 1.0, 3.0, 2.0])
    found = adjusted_means(2 * x_c, x_c, 2 * x_t + 1, x_t)
    assert found.theta == pytest.approx(2)
    # Overall mean of x is 1.5: control would be 3, treatment 4, whatever the draw of users.
    assert (found.mean_control, found.mean_treatment) == pytest.approx((3.0, 4.0))
    assert found.variance_kept == pytest.approx(0, abs=1e-12)


def test_useless_history_changes_nothing_and_constant_history_is_none():
    rng = np.random.default_rng(2)
    y, x = rng.random(2_000), rng.random(2_000)
    found = adjusted_means(y[:1_000], x[:1_000], y[1_000:], x[1_000:])
    assert found.variance_kept == pytest.approx(1, abs=0.01)
    assert adjusted_means(y[:10], np.zeros(10), y[10:20], np.zeros(10)) is None


def test_adjusting_takes_no_part_of_the_effect_away():
    rng = np.random.default_rng(3)
    effects = []
    for _ in range(200):
        x = rng.poisson(0.5, 2_000).astype(float)
        y = (rng.random(2_000) < 0.05 + 0.1 * (x > 0)).astype(float)
        y[1_000:] = (rng.random(1_000) < 1.2 * (0.05 + 0.1 * (x[1_000:] > 0))).astype(float)
        found = adjusted_means(y[:1_000], x[:1_000], y[1_000:], x[1_000:])
        effects.append(found.mean_treatment / found.mean_control - 1)
    assert np.mean(effects) == pytest.approx(0.2, abs=0.04)
