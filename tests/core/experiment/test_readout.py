"""The readout of a whole experiment: a published one, and what bad input does to it."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from gnn_core.errors import ContractError, DataError
from gnn_core.experiment.assignment import CONTROL, TREATMENT
from gnn_core.experiment.engagement import Window, count_outcomes
from gnn_core.experiment.intervals import information_of, mixture_for
from gnn_core.experiment.readout import PRIMARY, Unsubscribes, read_experiment
from tests.core.experiment.experiment_world import (
    BASE,
    START,
    assigned,
    at,
    engagements,
    outcomes_of,
    sends,
    settings,
    window,
)

ETA = mixture_for(information_of(0.0066, 124_000, 124_000, 0.15), 0.95)


def _read(outcomes, w=None, **more):
    return read_experiment(outcomes, w or window(), more.pop("settings", settings()), eta=ETA, **more)


def _metric(readout, name, tier="all"):
    return next(m for m in readout.metrics if m.name == name and m.tier == tier)


@pytest.fixture(scope="module")
def published():
    """An e-mail test whose figures are public: static against personalised."""
    outcomes = outcomes_of(
        (124_617, 123_996), (256, 813), (53, 45), (191_137, 190_294), (13_476, 15_000),
        click_days=(np.arange(256) % 14, np.arange(813) % 14),
    )  # fmt: skip
    return _read(outcomes)


def test_the_published_test_has_no_mismatch(published):
    assert published.ratio.p_value == pytest.approx(0.21, abs=0.005)
    assert not published.verdict.invalid


def test_its_clickers_are_judged_by_user(published):
    primary = _metric(published, PRIMARY)
    assert primary.role == "judged"
    assert (f"{primary.control:.3%}", f"{primary.treatment:.3%}") == ("0.205%", "0.656%")


def test_its_opens_are_described_and_not_judged(published):
    opens = _metric(published, "clicks per open")
    assert opens.role == "described only"
    assert (f"{opens.control:.2%}", f"{opens.treatment:.2%}") == ("1.90%", "5.42%")


def test_its_orders_are_not_shown_worse_and_the_loss_that_is_not_excluded_is_named(published):
    (guard,) = published.verdict.guardrails
    assert guard.state == "not shown worse"
    figures = [round(100 * x) for x in (guard.lift.estimate, guard.lift.low, guard.lift.high)]
    assert figures == [-15, -43, 27]
    assert abs(guard.lift.z) == pytest.approx(0.78, abs=0.005)


def test_it_passes_and_says_plainly_that_clicks_rose_and_no_order_effect_was_detected(published):
    assert published.verdict.passed
    assert published.verdict.certified
    for part in ("Clicks rose", "0.205%", "0.656%", "No effect on orders was detected", "is not excluded"):
        assert part in published.verdict.reason


def test_a_readout_is_plain_json(published):
    text = json.dumps(published.as_json(), allow_nan=False)
    assert json.loads(text)["verdict"]["verdict"] == "pass"


def test_more_users_in_one_arm_than_planned_is_invalid():
    readout = _read(outcomes_of((50_000, 48_900), (300, 400)))
    assert (readout.verdict.verdict, readout.verdict.why) == ("inconclusive", "invalid")
    assert "wrong sizes" in readout.verdict.reason


def test_an_arm_that_vanishes_from_the_analysis_is_invalid():
    readout = _read(outcomes_of((5_000, 1), (300, 0)))
    assert readout.verdict.why == "invalid"


def test_an_arm_that_is_sent_nothing_for_a_day_is_invalid_and_named():
    outcomes = outcomes_of((5_000, 5_000), (300, 400))
    by_day = {CONTROL: (50,) * 14, TREATMENT: (50,) * 6 + (0,) + (50,) * 7}
    readout = _read(dataclasses.replace(outcomes, sends_by_day=by_day))
    assert "treatment was sent nothing on day 7" in readout.verdict.reason
    quiet = {CONTROL: (29,) * 14, TREATMENT: (50,) * 6 + (0,) + (50,) * 7}
    assert not _read(dataclasses.replace(outcomes, sends_by_day=quiet)).verdict.invalid


def test_zero_sends_at_the_planned_end_is_invalid_and_before_it_only_waits():
    empty = count_outcomes(
        assigned(*[(f"u{i}", (CONTROL, TREATMENT)[i % 2]) for i in range(100)]), sends(), engagements(), None, window(),
        settings(),
    )  # fmt: skip
    done = _read(empty, purchases_known=False)
    assert "no send counts" in done.verdict.reason
    assert _metric(done, "clicks per send").control is None
    waiting = _read(empty, window(at(3)), purchases_known=False)
    assert (waiting.verdict.why, waiting.verdict.final) == ("before the planned end", False)
    json.dumps(done.as_json(), allow_nan=False)


@pytest.mark.parametrize(("two_arms", "invalid"), [(3, False), (20, True)])
def test_users_in_two_arms_are_tolerated_in_a_handful_only(two_arms, invalid):
    outcomes = outcomes_of((5_000, 5_000), (300, 400))
    outcomes.left_out["in two arms"] = two_arms
    assert bool(_read(outcomes).verdict.invalid) is invalid


@pytest.mark.parametrize(("crossed", "invalid"), [(90, False), (150, True)])
def test_mails_under_the_other_arms_name_are_tolerated_below_a_share_only(crossed, invalid):
    outcomes = dataclasses.replace(outcomes_of((5_000, 5_000), (300, 400)), crossovers=crossed)
    assert bool(_read(outcomes).verdict.invalid) is invalid


def test_nobody_in_the_analysis_is_an_error():
    with pytest.raises(DataError, match="no user is in the analysis"):
        _read(outcomes_of((0, 0), (0, 0)))


def test_planted_harm_stops_on_its_day_and_fails():
    days = (np.repeat(np.arange(14), 50), np.repeat(np.arange(14), 25))
    outcomes = outcomes_of((50_000, 50_000), (700, 350), click_days=days)
    early = _read(outcomes, window(at(4)))
    assert (early.verdict.verdict, early.verdict.why) == ("fail", "harm")
    first = next(look for look in early.looks if look.stops)
    assert 1 <= first.day <= 4
    # What was stopped stays stopped, and is stopped on the same day when more days are known.
    later = _read(outcomes)
    assert next(look for look in later.looks if look.stops).day == first.day
    assert (later.verdict.verdict, later.verdict.why) == ("fail", "harm")


def test_looks_are_cumulative_and_cover_the_days_before_the_end_only():
    outcomes = outcomes_of((9_000, 9_000), (140, 140), click_days=(np.repeat(np.arange(14), 10),) * 2)
    assert [look.clickers_control for look in _read(outcomes).looks] == [10 * d for d in range(1, 14)]
    assert len(_read(outcomes, window(at(5.9))).looks) == 5
    widths = [look.lift.high - look.lift.low for look in _read(outcomes).looks]
    assert widths == sorted(widths, reverse=True)
    assert not any(look.stops for look in _read(outcomes).looks)


def test_unsubscribes_are_a_guardrail():
    outcomes = outcomes_of((50_000, 50_000), (300, 400))
    bad = _read(outcomes, unsubscribes=Unsubscribes(40, 90, 50_000, 50_000))
    assert (bad.verdict.verdict, bad.verdict.why) == ("fail", "harm")
    assert "More customers unsubscribed" in bad.verdict.reason


def _with_history(rng, lift=1.2, n=4_000):
    users = assigned(*[(f"u{i:05}", (CONTROL, TREATMENT)[i % 2]) for i in range(n)])
    keen = rng.random(n) < 0.3
    past = sends(*[(f"p{i}", f"u{i:05}", "sql_v5.18", -20.0) for i in range(n)])
    before = engagements(*[(f"p{i}", "click", -19.9) for i in np.flatnonzero(keen & (rng.random(n) < 0.9))])
    now = sends(*[(f"s{i}", f"u{i:05}", (CONTROL, TREATMENT)[i % 2], 0.3) for i in range(n)])
    chance = np.where(keen, 0.5, 0.02) * np.where(np.arange(n) % 2 == 1, lift, 1.0)
    after = engagements(*[(f"s{i}", "click", 0.5) for i in np.flatnonzero(rng.random(n) < chance)])
    history = count_outcomes(users, past, before, None, Window.history(BASE, START), BASE, any_arm=True)
    return count_outcomes(users, now, after, None, window(), BASE), history


def test_history_narrows_the_judged_interval_and_the_plain_one_stands_beside_it():
    outcomes, history = _with_history(np.random.default_rng(4))
    readout = _read(outcomes, history=history, purchases_known=False)
    adjusted, plain = (m for m in readout.metrics if m.name == PRIMARY and m.tier == "all")
    assert (adjusted.role, plain.role) == ("judged", "described only")
    assert readout.verdict.adjusted
    assert readout.variance_kept == pytest.approx((adjusted.lift.se_log / plain.lift.se_log) ** 2, rel=0.05)
    assert readout.variance_kept < 0.8
    assert readout.verdict.lift == adjusted.lift.estimate


def test_history_is_used_by_setting_and_by_reach_never_by_outcome():
    outcomes, history = _with_history(np.random.default_rng(4))
    off = _read(outcomes, history=history, purchases_known=False, settings=settings(cuped=False))
    assert not off.verdict.adjusted
    history.users.loc[: len(history.users) * 2 // 3, "sends"] = 0
    assert not _read(outcomes, history=history, purchases_known=False).verdict.adjusted


def test_history_of_other_users_is_refused():
    outcomes, history = _with_history(np.random.default_rng(4))
    other = dataclasses.replace(history, users=history.users.iloc[1:])
    with pytest.raises(ContractError, match="history is of other users"):
        _read(outcomes, history=other, purchases_known=False)


def test_tiers_are_described_and_sum_to_the_whole():
    outcomes = outcomes_of((5_000, 5_000), (300, 400))
    outcomes.users["tier"] = np.where(np.arange(10_000) % 10 == 0, "hot", "cold")
    readout = _read(outcomes)
    assert {m.role for m in readout.metrics if m.tier != "all"} == {"described only"}
    for a in (0, 1):
        assert sum(arms[a].clickers for arms in readout.tiers.values()) == readout.arms[a].clickers


def test_a_window_that_is_not_planned_is_refused():
    with pytest.raises(ContractError, match="no experiment is planned"):
        Window.planned(settings(start=None), pd.Timestamp("2026-03-18", tz="UTC"))
