"""What a run of planted stores says beforehand, and which judged stores it takes for its own."""

from __future__ import annotations

import pytest

from benchmarks import planted
from gnn_core.simulate import World
from gnn_core.simulate.sizes import size_of

NULL, TRIAL = World.planted_null(), size_of("trial")


def judged(seed: int, seconds: float) -> planted.Trial:
    """A store that gate 1 did not pass."""
    return planted.Trial(seed, "fail", 0.0, -0.1, 0.1, 100, 0, "hybrid", "fail", 0.0, seconds)


def test_the_plan_goes_by_the_stores_that_were_judged_and_else_by_a_guess():
    assert planted.planned({}, 3) == f"  3 of 3 are missing, about {planted.SECONDS * 3 / 60:.0f} min of a processor"
    kept = {0: judged(0, 60.0), 1: judged(1, 180.0)}
    assert planted.planned(kept, 4) == "  2 of 4 are missing, about 4 min of a processor"


@pytest.mark.parametrize(
    ("overrides", "same"),
    [
        ({"peers": {"ease_penalty": 7.0}}, True),
        ({"training": {"max_steps": 6}}, False),
        ({"gate1": {"threshold": 0.06}}, False),
    ],
)
def test_a_verdict_holds_for_the_settings_that_it_can_depend_on(overrides, same, monkeypatch):
    monkeypatch.setattr(planted, "code_digest", lambda **_: "code")  # which settings count is asked here
    usual = {"training": {"max_steps": 5}}
    key = planted._key(NULL, TRIAL, usual)
    assert (planted._key(NULL, TRIAL, usual | overrides) == key) is same
