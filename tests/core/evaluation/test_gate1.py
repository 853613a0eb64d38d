"""Gate 1: every branch of the rule, every edge of it, and the words that go with it."""

import json

import pytest

from gnn_core.config import Gate1Settings
from gnn_core.evaluation.bootstrap import Lift
from gnn_core.evaluation.gate import GateVerdict, judge_gate1, percent, signed_percent

SETTINGS = Gate1Settings(threshold=0.05, min_baseline_hits=30)


def _lift(estimate, low, high, hits=500):
    baseline = 0.2
    return Lift(
        estimate=estimate,
        low=low,
        high=high,
        model_mean=baseline * (1 + (estimate or 0.0)),
        baseline_mean=baseline,
        n_users=1000,
        n_rows=1000,
        n_baseline_hits=hits,
        p_value=0.01,
        confidence=0.95,
        draws=2000,
        undefined_draws=0,
    )


@pytest.mark.parametrize(
    ("lift", "want", "certified", "words"),
    [
        pytest.param(_lift(0.08, 0.02, 0.14), "pass", False, "more than chance, though it may be smaller", id="pass"),
        pytest.param(_lift(0.08, 0.06, 0.10), "pass", True, "whole range is at or above 5%", id="certified"),
        pytest.param(_lift(0.08, 0.05, 0.10), "pass", True, "whole range", id="certified at L = τ exactly"),
        pytest.param(_lift(0.08, 0.0499, 0.10), "pass", False, "may be smaller", id="not certified just below τ"),
        pytest.param(_lift(0.05, 0.001, 0.10), "pass", False, "more than chance", id="estimate = τ exactly"),
        pytest.param(_lift(0.08, 0.0, 0.16), "inconclusive", False, "it may be chance", id="L = 0 is not above 0"),
        pytest.param(_lift(0.08, -0.02, 0.18), "inconclusive", False, "it may be chance", id="large but unsure"),
        pytest.param(_lift(0.03, 0.01, 0.06), "inconclusive", False, "do not rule it out", id="below τ, U above"),
        pytest.param(_lift(0.03, 0.01, 0.05), "inconclusive", False, "do not rule it out", id="U = τ is not below"),
        pytest.param(_lift(0.03, 0.01, 0.0499), "fail", False, "upper end", id="U below τ"),
        pytest.param(_lift(0.06, 0.03, 0.049), "fail", False, "upper end", id="U below τ goes before estimate ≥ τ"),
        pytest.param(_lift(0.0, -0.1, 0.1), "fail", False, "no better", id="estimate = 0 fails although U > τ"),
        pytest.param(_lift(-0.2, -0.3, 0.4), "fail", False, "no better", id="estimate below 0"),
        pytest.param(_lift(0.2, -1.0, None), "inconclusive", False, "no upper limit", id="no upper limit"),
        pytest.param(_lift(-0.2, -0.3, 0.4, hits=29), "inconclusive", False, "29 of 1000", id="few hits before fail"),
        pytest.param(_lift(0.8, 0.6, 1.0, hits=29), "inconclusive", False, "at least 30", id="few hits before pass"),
        pytest.param(_lift(0.8, 0.6, 1.0, hits=30), "pass", True, "whole range", id="30 hits are enough"),
        pytest.param(_lift(None, None, None, hits=0), "inconclusive", False, "0 of 1000", id="baseline without a hit"),
    ],
)
def test_every_branch(lift, want, certified, words):
    verdict = judge_gate1(lift, SETTINGS, model="the graph model", baseline="SQL v5.18")
    assert (verdict.verdict, verdict.certified) == (want, certified)
    assert words in verdict.reason
    assert verdict.passed is (want == "pass")


@pytest.mark.parametrize("lift", [_lift(0.8, 0.6, 1.0), _lift(-0.5, -0.6, -0.4), _lift(0.8, 0.6, 1.0, hits=3)])
def test_an_invalid_comparison_is_never_interpreted(lift):
    verdict = judge_gate1(lift, SETTINGS, invalid=["the leak canary moved the training graph", "no baseline list"])
    assert verdict.verdict == "inconclusive"
    assert "the leak canary moved the training graph; no baseline list" in verdict.reason
    assert "%" not in verdict.reason
    assert not verdict.certified


def test_reason_names_both_and_every_figure():
    reason = judge_gate1(_lift(0.08, 0.02, 0.14), SETTINGS, model="the graph model", baseline="SQL v5.18").reason
    for part in ("the graph model had 21.6%", "SQL v5.18 20.0%", "+8.0%", "95% confidence", "+2.0%", "+14.0%", "1,000"):
        assert part in reason


def test_threshold_and_minimum_come_from_the_settings():
    lift = _lift(0.08, 0.02, 0.14)
    assert judge_gate1(lift, Gate1Settings(threshold=0.10, min_baseline_hits=30)).verdict == "inconclusive"
    assert judge_gate1(lift, Gate1Settings(threshold=0.15, min_baseline_hits=30)).verdict == "fail"
    assert judge_gate1(lift, Gate1Settings(threshold=0.05, min_baseline_hits=501)).verdict == "inconclusive"


def test_verdict_survives_json():
    verdict = judge_gate1(_lift(0.08, 0.02, None), SETTINGS, invalid=["a"])
    text = json.dumps(verdict.as_json(), allow_nan=False)
    assert GateVerdict.from_json(json.loads(text)) == verdict


@pytest.mark.parametrize(
    ("share", "plain", "signed"),
    [
        (0.05, "5%", "+5.0%"),
        (0.125, "12.5%", "+12.5%"),
        (-0.031, "-3.1%", "−3.1%"),
        (-0.0001, "-0%", "0.0%"),
        (12.158, "1215.8%", "+1,216%"),
    ],
)
def test_percentages_read_well(share, plain, signed):
    assert percent(share) == plain
    assert signed_percent(share) == signed
