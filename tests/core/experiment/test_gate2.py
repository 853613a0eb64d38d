"""Gate 2: every branch, the daily looks, and the guardrails' words."""

import json

import pytest

from gnn_core.experiment.gate2 import Gate2Verdict, Look, judge_gate2
from gnn_core.experiment.guardrails import order_guardrail, unsubscribe_guardrail
from gnn_core.experiment.intervals import RatioLift
from gnn_core.experiment.srm import check_ratio
from tests.core.experiment.experiment_world import settings


def _lift(estimate, low, high):
    return RatioLift(estimate, low, high, 2.0, 0.05, 0.05, 0.95)


def _judge(lift, *, clickers=(600, 700), guardrails=(), looks=(), final=True, invalid=(), **changes):
    return judge_gate2(
        lift,
        clickers=clickers,
        users=(100_000, 100_000),
        guardrails=guardrails,
        looks=looks,
        final=final,
        adjusted=False,
        settings=settings(**changes),
        invalid=invalid,
    )


HARM = order_guardrail(40, 100_000, 90, 100_000, confidence=0.95, margin=None)
QUIET = order_guardrail(45, 100_000, 53, 100_000, confidence=0.95, margin=None)
STOP = Look(4, 300, 200, _lift(-0.3, -0.5, -0.1), None, "harm")


@pytest.mark.parametrize(
    ("lift", "want", "why", "certified"),
    [
        pytest.param(_lift(0.20, 0.05, 0.36), "pass", "pass", False, id="pass"),
        pytest.param(_lift(0.20, 0.10, 0.36), "pass", "pass", True, id="certified at L = τ"),
        pytest.param(_lift(0.10, 0.001, 0.2), "pass", "pass", False, id="estimate = τ exactly"),
        pytest.param(_lift(0.20, 0.0, 0.4), "inconclusive", "may be chance", False, id="L = 0 is not above 0"),
        pytest.param(_lift(0.09, 0.02, 0.2), "inconclusive", "below threshold", False, id="below τ"),
        pytest.param(_lift(-0.05, -0.2, 0.12), "inconclusive", "below threshold", False, id="below 0, U above τ"),
        pytest.param(_lift(0.04, -0.01, 0.0999), "fail", "too small", False, id="U below τ"),
        pytest.param(_lift(0.04, -0.01, 0.10), "inconclusive", "below threshold", False, id="U = τ is not below"),
        pytest.param(_lift(None, None, None), "inconclusive", "few", False, id="no estimate"),
    ],
)
def test_every_branch(lift, want, why, certified):
    verdict = _judge(lift)
    assert (verdict.verdict, verdict.why, verdict.certified) == (want, why, certified)
    assert verdict.passed is (want == "pass")


def test_invalid_goes_before_everything_and_the_effect_is_not_interpreted():
    verdict = _judge(_lift(0.2, 0.1, 0.3), guardrails=[HARM], looks=[STOP], invalid=["the arms have the wrong sizes"])
    assert (verdict.verdict, verdict.why) == ("inconclusive", "invalid")
    assert "%" not in verdict.reason
    assert "the arms have the wrong sizes" in verdict.reason


def test_harm_goes_before_a_pass_and_before_too_little_data():
    assert _judge(_lift(0.2, 0.1, 0.3), guardrails=[HARM]).verdict == "fail"
    few = _judge(_lift(0.2, 0.1, 0.3), clickers=(29, 40), guardrails=[HARM])
    assert (few.verdict, few.why) == ("fail", "harm")


@pytest.mark.parametrize(("clickers", "want"), [(29, "inconclusive"), (30, "pass")])
def test_too_few_clickers_decide_nothing(clickers, want):
    verdict = _judge(_lift(2.0, 0.5, 5.0), clickers=(clickers, 90), guardrails=[QUIET])
    assert verdict.verdict == want


def test_nothing_passes_before_the_planned_end():
    verdict = _judge(_lift(0.5, 0.3, 0.7), final=False, guardrails=[QUIET])
    assert (verdict.verdict, verdict.why, verdict.final) == ("inconclusive", "before the planned end", False)


def test_a_look_that_stops_is_a_fail_then_and_at_the_end():
    for final in (False, True):
        verdict = _judge(_lift(0.2, 0.1, 0.3), looks=[STOP], final=final)
        assert (verdict.verdict, verdict.why, verdict.final) == ("fail", "harm", True)
        assert "Stopped on day 4: clickers fell" in verdict.reason


def test_an_early_stop_names_what_fell():
    bought = _lift(-0.5, -0.7, -0.2)
    look = Look(6, 300, 300, _lift(0.0, -0.2, 0.2), bought, "harm")
    assert "buyers fell" in _judge(_lift(0.0, -0.2, 0.2), looks=[look], final=False).reason
    small = Look(9, 9000, 9000, _lift(0.0, -0.05, 0.05), None, "too small")
    reason = _judge(_lift(0.0, -0.2, 0.2), looks=[small], final=False).reason
    assert "(+5.0%) is below the 10% asked for" in reason


def test_a_verdict_survives_json():
    verdict = _judge(_lift(0.2, 0.05, None), guardrails=[HARM, QUIET], invalid=["x"])
    assert Gate2Verdict.from_json(json.loads(json.dumps(verdict.as_json(), allow_nan=False))) == verdict


def test_an_order_guardrail_says_what_is_not_excluded():
    guard = order_guardrail(45, 123_996, 53, 124_617, confidence=0.95, margin=None)
    assert guard.state == "not shown worse"
    for part in (
        "No effect on orders was detected",
        "−14.7% [−42.6%, +26.9%]",
        "a loss of up to 42.6% is not excluded",
    ):
        assert part in guard.sentence
    assert guard.detectable == pytest.approx(-0.433, abs=0.001)


@pytest.mark.parametrize(
    ("buyers", "margin", "state"),
    [
        ((40, 90), None, "harm"),
        ((990, 1000), 0.10, "no worse than the margin"),
        ((990, 1000), 0.05, "not shown worse"),
        ((40, 90), 0.9, "harm"),
        ((0, 0), None, "no data"),
    ],
)
def test_states_of_the_order_guardrail(buyers, margin, state):
    treated, control = buyers
    guard = order_guardrail(treated, 100_000, control, 100_000, confidence=0.95, margin=margin)
    assert guard.state == state
    assert guard.harm is (state == "harm")


@pytest.mark.parametrize(
    ("left", "state"),
    [((90, 40), "harm"), ((45, 40), "not shown worse"), ((40, 90), "not shown worse"), ((0, 0), "no data")],
)
def test_unsubscribes_harm_when_they_rise(left, state):
    assert unsubscribe_guardrail(left[0], 100_000, left[1], 100_000, confidence=0.95).state == state


@pytest.mark.parametrize(
    ("control", "treatment", "mismatch"),
    [(124_617, 123_996, False), (50_000, 50_000, False), (50_000, 48_900, True), (100, 0, True), (3, 1, False)],
)
def test_sizes_of_the_arms(control, treatment, mismatch):
    assert check_ratio(control, treatment, 0.5, 0.001).mismatch is mismatch


def test_an_uneven_plan_is_no_mismatch():
    assert not check_ratio(9_000, 1_000, 0.1, 0.001).mismatch
    assert check_ratio(9_000, 1_000, 0.5, 0.001).mismatch
