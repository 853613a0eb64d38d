"""Power of the whole rule: published sizes, simulation, and the plans that are refused."""

import numpy as np
import pytest

from gnn_core.errors import ConfigError, DataError
from gnn_core.experiment.calibration import draw_experiments, judge_all
from gnn_core.experiment.intervals import information_of, mixture_for
from gnn_core.experiment.power import (
    Plan,
    detectable_lift,
    plan_experiment,
    power_of_rule,
    rate_after,
    users_against_zero,
    users_needed,
)
from tests.core.experiment.experiment_world import settings


@pytest.mark.parametrize(("base", "users"), [(0.0066, 248_000), (0.00205, 802_000)])
def test_sizes_that_are_known_for_eighty_percent_power_against_zero(base, users):
    assert users_against_zero(base, 0.10, 0.8, 0.95) == pytest.approx(users, rel=0.002)


def test_power_is_that_of_the_whole_rule_in_simulated_experiments():
    chosen = settings()
    for users, lift in ((60_000, 0.2), (150_000, 0.15), (400_000, 0.11)):
        eta = mixture_for(information_of(0.0066, users, users, lift), 0.95)
        draws = draw_experiments(np.random.default_rng(users), 4_000, users, 0.0066, lift, 14)
        passed = judge_all(draws, lift, eta, chosen).passed_R.mean()
        assert power_of_rule(0.0066, users, users, lift, chosen) == pytest.approx(passed, abs=0.025)


def test_no_size_passes_a_lift_of_exactly_tau_more_than_half_the_time():
    for users in (10**5, 10**7, 10**9):
        assert power_of_rule(0.0066, users, users, 0.10, settings()) <= 0.5


@pytest.mark.parametrize("lift", [0.0, 0.05, 0.10])
def test_a_plan_for_a_lift_no_larger_than_tau_is_refused(lift):
    with pytest.raises(ConfigError, match="no sample size passes it more than half the time"):
        users_needed(0.0066, lift, settings())


def test_users_needed_is_the_smallest_number_that_is_enough():
    n = users_needed(0.0066, 0.15, settings())
    assert power_of_rule(0.0066, n, n, 0.15, settings()) >= 0.8 > power_of_rule(0.0066, n - 1, n - 1, 0.15, settings())


def test_a_lift_just_above_tau_needs_many_times_the_users():
    assert users_needed(0.0066, 0.11, settings()) > 10 * users_needed(0.0066, 0.15, settings())


def test_the_detectable_lift_has_exactly_the_target_power():
    lift = detectable_lift(0.0066, 60_000, 60_000, settings())
    assert power_of_rule(0.0066, 60_000, 60_000, lift, settings()) == pytest.approx(0.8, abs=1e-6)
    assert detectable_lift(0.0066, 300, 300, settings()) is None


def test_a_plan_that_can_decide_says_so():
    plan = plan_experiment(0.0066, 14, 150_000, 150_000, settings())
    assert plan.decides
    assert plan.days_needed == 14
    assert "can decide" in plan.reason
    assert Plan.from_json(plan.as_json()) == plan


def test_a_plan_that_cannot_decide_says_so_before_it_starts_and_what_it_would_take():
    plan = plan_experiment(0.0066, 14, 60_000, 60_000, settings())
    assert not plan.decides
    assert plan.days_needed == 35
    for part in ("too likely to end without an answer", f"{plan.users_needed:,} users an arm", "35 days"):
        assert part in plan.reason
    hopeless = plan_experiment(0.00205, 14, 15_000, 15_000, settings())
    assert hopeless.days_needed is None
    assert "56 days with the users there are are not enough" in hopeless.reason


def test_days_are_right_for_users_who_all_click_alike():
    assert rate_after(0.1, 14, 14) == pytest.approx(0.1)
    assert rate_after(0.1, 14, 28) == pytest.approx(1 - 0.9**2)


@pytest.mark.parametrize("base", [0.0, 1.0])
def test_a_history_without_clicks_cannot_be_planned_on(base):
    with pytest.raises(DataError, match="no experiment can be planned"):
        plan_experiment(base, 14, 100, 100, settings())


def test_an_empty_arm_cannot_be_planned_on():
    with pytest.raises(DataError, match="both arms need some"):
        plan_experiment(0.01, 14, 0, 100, settings())
