"""Paired bootstrap: hand values, pairing, clusters, honesty about zero baselines, coverage, exact sums."""

import json

import numpy as np
import pytest

from gnn_core.errors import ShapeError
from gnn_core.evaluation.bootstrap import Lift, holm, paired_lift, resampled_sums, sum_by_user


def _lift(model, baseline, user=None, **changes):
    model, baseline = np.asarray(model, dtype=float), np.asarray(baseline, dtype=float)
    user = np.arange(len(model)) if user is None else np.asarray(user)
    return paired_lift(model, baseline, user, **({"draws": 500, "confidence": 0.95, "seed": 1} | changes))


def test_estimate_and_counts_match_hand_values():
    lift = _lift([1, 0.5, 0.5, 1], [1, 0, 0.5, 1], user=[7, 7, 8, 9])
    assert lift.estimate == pytest.approx(3 / 2.5 - 1)
    assert (lift.n_users, lift.n_rows, lift.n_baseline_hits) == (3, 4, 3)
    assert (lift.model_mean, lift.baseline_mean) == (0.75, 0.625)


def test_two_users_give_the_three_possible_draws():
    # Resamples of users a, b: aa, ab, ba, bb, so lifts 1, 1/3, 1/3, 0 with probabilities 1/4, 1/2, 1/4.
    sums = resampled_sums(np.array([[2.0, 1.0], [2.0, 2.0]]), draws=4000, seed=5)
    values, counts = np.unique(np.round(sums[:, 0] / sums[:, 1] - 1, 9), return_counts=True)
    assert values == pytest.approx([0.0, 1 / 3, 1.0])
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    lift = _lift([2, 2], [1, 2], draws=4000)
    assert (lift.low, lift.high) == pytest.approx((0.0, 1.0))


def test_pairing_makes_a_constant_ratio_certain():
    baseline = np.random.default_rng(0).random(200)
    lift = _lift(baseline * 1.07, baseline)
    assert (lift.estimate, lift.low, lift.high) == pytest.approx((0.07, 0.07, 0.07), abs=1e-7)


def test_a_model_against_itself_is_exactly_no_lift():
    baseline = np.random.default_rng(0).random(50)
    lift = _lift(baseline, baseline)
    assert (lift.estimate, lift.low, lift.high, lift.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_cuts_of_one_user_are_resampled_together():
    rng = np.random.default_rng(2)
    model, baseline = rng.random(60), rng.random(60)
    together = _lift(np.tile(model, 4), np.tile(baseline, 4), user=np.tile(np.arange(60), 4))
    alone = _lift(model, baseline)
    apart = _lift(np.tile(model, 4), np.tile(baseline, 4))
    # Four copies of a user tell nothing new; taking them for four users halves the interval.
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    assert apart.high - apart.low < 0.7 * (alone.high - alone.low)


def test_interval_shrinks_as_confidence_falls():
    rng = np.random.default_rng(4)
    model, baseline = rng.random(100), rng.random(100)
    wide, narrow = _lift(model, baseline, confidence=0.99), _lift(model, baseline, confidence=0.8)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_interval_has_the_width_that_the_standard_error_gives():
    # A baseline of 1 for everyone leaves the mean of 400 draws of known spread: width 2 × 1.96 × s / √n.
    model = np.random.default_rng(3).random(400)
    lift = _lift(model, np.ones(400), draws=4000)
    assert lift.high - lift.low == pytest.approx(2 * 1.96 * model.std() / 20, rel=0.05)
    assert (lift.high + lift.low) / 2 == pytest.approx(lift.estimate, abs=0.003)


def test_zero_baseline_is_said_and_never_nan():
    lift = _lift([1, 0, 1], [0, 0, 0])
    assert (lift.estimate, lift.low, lift.high) == (None, None, None)
    assert (lift.n_baseline_hits, lift.undefined_draws) == (0, 500)
    json.dumps(lift.as_json(), allow_nan=False)


def test_draws_without_baseline_hits_leave_no_upper_limit():
    # One user in ten carries the only baseline hit: a third of the draws miss it.
    lift = _lift(np.ones(10), [1] + [0] * 9)
    assert lift.undefined_draws == pytest.approx(500 * 0.9**10, rel=0.2)
    assert lift.high is None
    assert lift.low == -1.0
    assert lift.estimate == pytest.approx(9)
    json.dumps(lift.as_json(), allow_nan=False)


def test_no_user_at_all_is_no_error():
    lift = _lift([], [])
    assert (lift.n_users, lift.estimate, lift.p_value) == (0, None, 1.0)


def test_same_seed_same_figures_and_another_seed_others():
    rng = np.random.default_rng(6)
    model, baseline = rng.random(80), rng.random(80)
    assert _lift(model, baseline, seed=3) == _lift(model, baseline, seed=3)
    assert _lift(model, baseline, seed=3).low != _lift(model, baseline, seed=4).low


def test_order_of_rows_does_not_matter():
    rng = np.random.default_rng(6)
    model, baseline, order = rng.random(80), rng.random(80), rng.permutation(80)
    shuffled = _lift(model[order], baseline[order], user=order)
    straight = _lift(model, baseline)
    assert (shuffled.low, shuffled.high) == (straight.low, straight.high)


def test_sums_are_exact_so_any_order_of_summation_gives_the_same_bytes():
    values = np.random.default_rng(8).random((300, 3))
    sums = resampled_sums(values, draws=50, seed=2)
    backwards = resampled_sums(values[:, ::-1], draws=50, seed=2)[:, ::-1]
    by_hand = np.zeros_like(sums)
    rng = np.random.default_rng(2)
    for d, drawn in enumerate(rng.integers(0, 300, size=(50, 300))):
        by_hand[d] = np.sum(np.round(values[drawn] * 2**30)[::-1], axis=0) / 2**30
    assert np.array_equal(sums, backwards)
    assert np.array_equal(sums, by_hand)


def test_chunks_do_not_change_the_draws(monkeypatch):
    values = np.random.default_rng(8).random((30, 2))
    whole = resampled_sums(values, draws=40, seed=2)
    monkeypatch.setattr("gnn_core.evaluation.bootstrap._CHUNK", 31)
    assert np.array_equal(whole, resampled_sums(values, draws=40, seed=2))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_values_that_are_no_metric_are_refused(bad):
    with pytest.raises(ShapeError, match="negative, NaN or infinite"):
        _lift([0.1, bad], [0.1, 0.2])


def test_vectors_of_different_length_are_refused():
    with pytest.raises(ShapeError, match=r"model \(2,\), baseline \(1,\)"):
        paired_lift(np.ones(2), np.ones(1), np.arange(2), draws=100, confidence=0.9, seed=0)


def test_sum_by_user_adds_rows_of_one_user():
    assert sum_by_user(np.array([[1.0], [2.0], [4.0]]), np.array([5, 3, 5])).tolist() == [[2.0], [5.0]]


def test_lift_refuses_nan():
    with pytest.raises(ValueError, match=r"Lift\.low is nan"):
        Lift(0.1, float("nan"), 0.2, 1.0, 1.0, 1, 1, 1, 0.5, 0.95, 100, 0)


@pytest.mark.parametrize(
    ("p_values", "want"),
    [
        pytest.param([0.01, 0.04, 0.03], [0.03, 0.06, 0.06], id="step down, made monotone"),
        pytest.param([0.5, 0.9], [1.0, 1.0], id="never above one"),
        pytest.param([0.02], [0.02], id="a family of one is left alone"),
        pytest.param([], [], id="no comparison"),
    ],
)
def test_holm_matches_hand_values(p_values, want):
    assert holm(p_values) == pytest.approx(want)


@pytest.mark.slow
def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng, covered, runs = np.random.default_rng(11), 0, 300
    for run in range(runs):
        taste = rng.random(400) < 0.5  # shared by model and baseline, as users' tastes are
        baseline = rng.random(400) < np.where(taste, 0.30, 0.10)
        model = rng.random(400) < np.where(taste, 0.36, 0.12)
        lift = _lift(model, baseline, draws=400, seed=run)
        covered += lift.low <= 0.2 <= lift.high
    assert 0.91 <= covered / runs <= 0.985


@pytest.mark.slow
def test_a_true_null_is_called_better_about_as_rarely_as_promised():
    rng, false_alarms, runs = np.random.default_rng(12), 0, 400
    for run in range(runs):
        lift = _lift(rng.random(300) < 0.2, rng.random(300) < 0.2, draws=400, seed=run)
        false_alarms += lift.low > 0
    assert false_alarms / runs <= 0.05  # promised 0.025; two binomial standard errors above it are 0.041
