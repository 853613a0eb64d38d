"""Intervals of a relative lift: hand values, edges, and what makes the always-valid one always valid."""

import math

import numpy as np
import pytest

from gnn_core.experiment.intervals import (
    always_valid_bounds,
    always_valid_lift,
    information_of,
    lift_of_means,
    lift_of_rates,
    mixture_for,
    rate,
)


def test_a_ratio_of_rates_by_hand():
    # 150 of 10,000 against 100 of 10,000: log 1.5, variance 1/150 + 1/100 − 2/10,000.
    lift = lift_of_rates(150, 10_000, 100, 10_000, 0.95)
    se = math.sqrt(1 / 150 + 1 / 100 - 2 / 10_000)
    assert lift.estimate == pytest.approx(0.5)
    assert lift.se_log == pytest.approx(se)
    assert lift.low == pytest.approx(1.5 * math.exp(-1.959964 * se) - 1, rel=1e-6)
    assert lift.high == pytest.approx(1.5 * math.exp(+1.959964 * se) - 1, rel=1e-6)
    assert lift.z == pytest.approx(math.log(1.5) / se)


def test_exchanging_the_arms_inverts_the_ratio():
    one, other = lift_of_rates(53, 124_617, 45, 123_996, 0.95), lift_of_rates(45, 123_996, 53, 124_617, 0.95)
    assert (1 + one.low) * (1 + other.high) == pytest.approx(1)
    assert one.p_value == pytest.approx(other.p_value)


def test_means_and_rates_agree():
    (t, vt), (c, vc) = (tuple(float(x) for x in rate(e, n)) for e, n in ((150, 9_000), (100, 11_000)))
    assert lift_of_means(t, vt, c, vc, 0.9) == lift_of_rates(150, 9_000, 100, 11_000, 0.9)


def test_no_click_in_the_treatment_is_bad_news_and_not_missing():
    lift = lift_of_rates(0, 10_000, 100, 10_000, 0.95)
    assert lift.estimate == -1.0
    assert lift.high is not None
    assert lift.high < -0.8


def test_no_click_in_the_control_gives_no_estimate():
    lift = lift_of_rates(20, 1_000, 0, 1_000, 0.95)
    assert lift.estimate is None
    assert lift.low is not None
    assert lift.low > 0


@pytest.mark.parametrize("counts", [(0, 100, 0, 100), (1, 0, 1, 10), (1, 10, 1, 0)])
def test_nothing_to_compare_is_none(counts):
    lift = lift_of_rates(*counts, 0.95)
    assert (lift.estimate, lift.low, lift.high) == (None, None, None)


def test_everybody_clicked_is_a_point():
    lift = lift_of_rates(10, 10, 10, 10, 0.95)
    assert (lift.estimate, lift.low, lift.high) == (0.0, 0.0, 0.0)


def test_information_is_the_inverse_of_the_variance():
    lift = lift_of_rates(150, 10_000, 100, 10_000, 0.95)
    assert information_of(0.01, 10_000, 10_000, 0.5) == pytest.approx(1 / lift.se_log**2)
    assert information_of(0.0, 10, 10) == information_of(0.6, 10, 10, 1.0) == 0.0


def test_the_mixture_is_tightest_at_the_information_it_was_made_for():
    eta = mixture_for(400.0, 0.95)
    se = np.array([1 / math.sqrt(400.0)])
    reach = {k: always_valid_bounds(np.zeros(1), se, 0.95, eta * k)[1][0] for k in (0.8, 1.0, 1.25)}
    assert reach[1.0] < min(reach[0.8], reach[1.25])
    # Robbins' boundary there is well known to cost a factor of about 1.5 against one planned look.
    assert 1.4 < reach[1.0] / (1.959964 * se[0]) < 1.6
    with pytest.raises(ValueError, match="above 0"):
        mixture_for(0.0, 0.95)


def test_an_always_valid_interval_is_wider_than_that_of_one_look_and_has_no_p_value():
    means = (*rate(150, 10_000), *rate(100, 10_000))
    means = tuple(float(m) for m in means)
    fixed, always = lift_of_means(*means, 0.95), always_valid_lift(*means, 0.95, mixture_for(60.0, 0.95))
    assert always.low < fixed.low < fixed.estimate == always.estimate < fixed.high < always.high
    assert always.p_value is None


def test_the_boundary_is_crossed_by_a_brownian_motion_as_rarely_as_it_says():
    # 4,000 paths of 200 looks: crossings at one-look bounds are many, at the mixture's at most 5 %.
    rng = np.random.default_rng(5)
    path = np.cumsum(rng.normal(size=(4_000, 200)), axis=1)
    information = np.arange(1.0, 201.0)
    estimate, se = path / information, 1 / np.sqrt(information)
    low, high = always_valid_bounds(estimate, se, 0.95, mixture_for(200.0, 0.95))
    crossed = ((low > 0) | (high < 0)).any(axis=1).mean()
    naive = (np.abs(estimate) > 1.959964 * se).any(axis=1).mean()
    assert naive > 0.3
    assert 0.005 < crossed < 0.05
