"""The calibration judges with the functions that judge; short runs of it keep the promises that long ones print."""

import dataclasses

import numpy as np
import pytest

from gnn_core.experiment.assignment import ARMS
from gnn_core.experiment.calibration import (
    Proportion,
    calibrate_gate1,
    calibrate_gate2,
    calibrate_srm,
    draw_experiments,
    judge_all,
)
from gnn_core.experiment.intervals import information_of, mixture_for
from gnn_core.experiment.readout import Unsubscribes, read_experiment
from tests.core.experiment.experiment_world import ALL, outcomes_of, settings, window


def test_wilson_by_hand():
    found = Proportion.of(5, 100)
    assert (found.low, found.high) == pytest.approx((0.02154, 0.11175), abs=1e-4)
    assert Proportion.of(0, 100).low == 0.0
    assert Proportion.of(0, 100).high > 0.03


def test_draws_have_the_planted_rate_and_lift():
    draws = draw_experiments(np.random.default_rng(0), 2_000, 50_000, 0.01, 0.2, 14)
    mean_A = draws.clickers_RDA[:, -1].mean(axis=0) / 50_000
    assert mean_A[0] == pytest.approx(0.01, rel=0.01)
    assert mean_A[1] / mean_A[0] == pytest.approx(1.2, rel=0.01)
    by_half = draws.clickers_RDA[:, 6].mean(axis=0) / draws.clickers_RDA[:, -1].mean(axis=0)
    assert by_half == pytest.approx([0.5, 0.5], abs=0.01)  # one of two like weeks
    assert (np.diff(draws.clickers_RDA, axis=1) >= 0).all()


def _frame(draws, run, with_history):
    """The same experiment, user by user, as the readout gets it."""
    n = draws.users
    clickers, buyers = draws.clickers_RDAH[run], draws.buyers_RDA[run]
    outcomes = outcomes_of(n, (0, 0))
    users = outcomes.users
    for a, arm in enumerate(ARMS):
        mine = np.flatnonzero((users["arm"] == arm).to_numpy())
        fresh = draws.by_history[a][0]
        for group, places in enumerate((mine[:fresh], mine[fresh:])):
            new = np.diff(clickers[:, a, group], prepend=0)
            days = np.repeat(np.arange(len(new)), new)
            users.loc[places[: len(days)], "click_day"] = days
        bought = np.repeat(np.arange(buyers.shape[0]), np.diff(buyers[:, a], prepend=0))
        users.loc[mine[: len(bought)], "order_day"] = bought
    users["clicked"], users["bought"] = users["click_day"] >= 0, users["order_day"] >= 0
    if not with_history:
        return outcomes, None
    past = users.assign(clicks=0)
    for a, arm in enumerate(ARMS):
        mine = np.flatnonzero((users["arm"] == arm).to_numpy())
        past.loc[mine[draws.by_history[a][0] :], "clicks"] = 1
    return outcomes, dataclasses.replace(outcomes, users=past)


@pytest.mark.slow
@pytest.mark.parametrize("cuped", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_simulated_procedure_is_the_real_one(cuped):
    chosen = settings(cuped=cuped)
    eta = mixture_for(information_of(0.02, 6_000, 6_000, 0.15), 0.95)
    seen = set()
    for lift in (-0.5, 0.0, 0.6):
        draws = draw_experiments(np.random.default_rng(8), 12, 6_000, 0.02, lift, 14)
        said = judge_all(draws, lift, eta, chosen)
        for run in range(12):
            outcomes, history = _frame(draws, run, with_history=True)
            left = [int(x) for x in draws.unsubscribed_RA[run]]
            real = read_experiment(
                outcomes,
                window(),
                chosen,
                eta=eta,
                history=history,
                unsubscribes=Unsubscribes(left[0], left[1], 6_000, 6_000),
            )
            assert real.verdict.passed == said.passed_R[run]
            assert any(look.stops for look in real.looks) == said.stopped_R[run]
            seen.add((bool(said.passed_R[run]), bool(said.stopped_R[run])))
    assert {(True, False), (False, True), (False, False)} <= seen


@pytest.fixture(scope="module")
def calibrated():
    return calibrate_gate2(settings(), base_rate=0.0066, small_users=15_000, runs=3_000, seed=11)


def test_false_passes_are_rare_at_both_sizes(calibrated):
    for name in ("false_pass_fixed", "false_pass_sequential", "false_pass_combined"):
        for size in ("", "_small"):
            assert calibrated[name + size].high <= 0.05, name + size


def test_power_at_the_plan_is_what_the_plan_says(calibrated):
    assert calibrated["power_at_plan"].high >= 0.8
    assert calibrated["power_at_plan_small"].high < 0.3
    assert calibrated["pass_at_threshold"].estimate < 0.5


def test_intervals_cover_as_often_as_they_say(calibrated):
    fixed = [n for n in calibrated if n.startswith("coverage") and "sequential" not in n]
    assert len(fixed) == 8
    for name in fixed:
        assert 0.93 <= calibrated[name].estimate <= 0.97, name
    for name in (n for n in calibrated if "coverage_sequential" in n):
        assert calibrated[name].estimate >= 0.95, name


def test_mismatch_alarms_are_one_in_a_thousand():
    for users in (250_000, 2_000):
        assert calibrate_srm(settings(), users=users, draws=50_000, seed=3).high <= 0.002


def test_gate_1_rarely_passes_two_that_were_exchanged_at_random():
    rng = np.random.default_rng(6)
    users = np.repeat(np.arange(900), 2)
    model = rng.choice([0.0, 0.5, 1.0], size=1_800, p=[0.8, 0.1, 0.1])
    baseline = np.where(rng.random(1_800) < 0.6, model, rng.choice([0.0, 1.0], size=1_800, p=[0.9, 0.1]))
    quick = dataclasses.replace(ALL.evaluation, bootstrap_draws=500)
    found = calibrate_gate1(model, baseline, users, ALL.gate1, quick, runs=2_000, seed=1)
    assert found.high <= 0.05
    assert found.n == 2_000


def test_gate_1_without_a_difference_never_passes():
    same = np.arange(400) % 2 * 1.0
    found = calibrate_gate1(same, same, np.arange(400), ALL.gate1, ALL.evaluation, runs=10, seed=1)
    assert (found.estimate, found.low) == (0.0, 0.0)


def test_experiments_with_too_few_clickers_never_pass():
    eta = mixture_for(information_of(0.0066, 3_000, 3_000, 1.0), 0.95)
    draws = draw_experiments(np.random.default_rng(9), 400, 3_000, 0.0066, 2.0, 14)
    said = judge_all(draws, 2.0, eta, settings())
    few = draws.clickers_RDA[:, -1, 0] < 30
    assert few.sum() > 100
    assert not said.passed_R[few].any()
    assert said.passed_R[~few].mean() > 0.5


@pytest.mark.parametrize("lift", [0.0, 0.15, 0.8])
def test_intervals_cover_where_one_user_of_twenty_clicks_too(lift):
    eta = mixture_for(information_of(0.05, 4_000, 4_000, 0.15), 0.95)
    draws = draw_experiments(np.random.default_rng(1), 2_000, 4_000, 0.05, lift, 14)
    said = judge_all(draws, lift, eta, settings())
    assert said.covered_sequential_R.mean() >= 0.95
    assert 0.93 <= said.covered_fixed_R.mean() <= 0.97
