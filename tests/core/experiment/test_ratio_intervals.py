"""Intervals of a relative lift: hand values, edges, and what makes the always-valid one always valid."""

import math

import numpy as np
import pytest
from scipy import special

from gnn_core.experiment.intervals import (
    always_valid_bounds,
    always_valid_lift,
    information_of,
    lies_beyond,
    lift_of_means,
    lift_of_rates,
    mixture_for,
    mixture_for_reach,
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


def _smallest_excluding_zero(total, eta):
    """Log ratio from which "no difference" is left out, at `total` clickers in two equal arms."""
    low, high = total / 2, float(total)
    for _ in range(60):
        middle = (low + high) / 2
        out, _ = always_valid_bounds(middle, 10**6, total - middle, 10**6, 0.95, eta)
        low, high = (low, middle) if out > 0 else (middle, high)
    return math.log(high / (total - high))


def test_the_mixture_sees_the_smallest_effect_at_the_information_it_was_made_for():
    # 1,600 clickers in two equal arms: information 400.
    eta = mixture_for(400.0, 0.95)
    found = {k: _smallest_excluding_zero(1_600, eta * k) for k in (0.5, 1.0, 2.0)}
    assert found[1.0] < min(found[0.5], found[2.0])
    # It is known to cost a factor of about one and a half against one planned look.
    assert 1.4 < found[1.0] / (1.959964 / 20) < 1.6
    assert mixture_for_reach(found[1.0], 0.95) == pytest.approx(eta, rel=0.05)
    for wrong in (mixture_for, mixture_for_reach):
        with pytest.raises(ValueError, match="above 0"):
            wrong(0.0, 0.95)


def test_what_lies_beyond_agrees_with_the_bounds():
    rng = np.random.default_rng(3)
    t, c = rng.integers(0, 300, 400), rng.integers(0, 300, 400)
    t[:2], c[:2] = (0, 7), (0, 0)
    low, high = always_valid_bounds(t, 5_000, c, 7_000, 0.95, 9.0)
    for value in (-0.6, 0.0, 0.4):
        below, above = lies_beyond(value, t, 5_000, c, 7_000, 0.95, 9.0)
        assert (below == (high < value)).all()
        assert (above == (low > value)).all()
        assert below.any()
        assert above.any()


def test_always_valid_bounds_are_where_the_mixture_beats_the_likelihood_twentyfold():
    t, c, eta = 30, 50, 12.0
    low, high = always_valid_bounds(t, 9_000, c, 11_000, 0.95, eta)
    share = 9_000 / 20_000
    a, b = eta / (1 - share), eta / share
    mixture = special.betaln(a + t, b + c) - special.betaln(a, b)
    for bound in (low, high):
        odds = math.exp(bound) * 9_000 / 11_000
        p = odds / (1 + odds)
        assert mixture - t * math.log(p) - c * math.log(1 - p) == pytest.approx(math.log(20), abs=1e-6)
    assert low < math.log((t / 9_000) / (c / 11_000)) < high


def test_an_always_valid_interval_is_wider_than_that_of_one_look_and_has_no_p_value():
    counts = (150, 10_000, 100, 10_000)
    fixed, always = lift_of_rates(*counts, 0.95), always_valid_lift(*counts, 0.95, mixture_for(60.0, 0.95))
    assert always.low < fixed.low < fixed.estimate == always.estimate < fixed.high < always.high
    assert always.p_value is None


@pytest.mark.parametrize("ratio", [0.2, 1.0, 3.0])
def test_the_interval_holds_at_every_single_clicker_at_once(ratio):
    # 1,000 sequences of 150 clickers, looked at after each; one-look bounds miss the truth somewhere far more often.
    rng = np.random.default_rng(5)
    treated = rng.random((1_000, 150)) < ratio / (1 + ratio)
    t = np.cumsum(treated, axis=1)
    c = np.arange(1, 151) - t
    low, high = always_valid_bounds(t, 1_000_000, c, 1_000_000, 0.95, mixture_for(40.0, 0.95))
    missed = ((low > math.log(ratio)) | (high < math.log(ratio))).any(axis=1).mean()
    assert missed <= 0.05
    both = (t > 10) & (c > 10)
    with np.errstate(divide="ignore"):
        wald = np.abs(np.log(t / c) - math.log(ratio)) > 1.959964 * np.sqrt(1 / t + 1 / c)
    assert (wald & both).any(axis=1).mean() > 0.15


def test_an_arm_that_nobody_clicks_is_shown_worse_and_no_click_at_all_says_nothing():
    eta = mixture_for(60.0, 0.95)
    none = always_valid_lift(0, 10_000, 100, 10_000, 0.95, eta)
    assert (none.estimate, none.low) == (-1.0, -1.0)
    assert none.high < 0
    assert always_valid_lift(2, 10_000, 100, 10_000, 0.95, eta).high < 0
    only = always_valid_lift(100, 10_000, 0, 10_000, 0.95, eta)
    assert (only.estimate, only.high) == (None, None)
    assert only.low > 0
    for nothing in ((0, 10, 0, 10), (1, 0, 1, 10), (1, 10, 1, 0)):
        found = always_valid_lift(*nothing, 0.95, eta)
        assert (found.low, found.high) == (None, None)
