"""`gnn demo --story`: the whole programme on a simulated store whose truth is planted, from gate 1 to the rollout."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from rich.console import Console

from gnn_assets.cli import data, experiment, rollout, status, weekly
from gnn_assets.environment import Environment
from gnn_core.errors import ConfigError
from gnn_core.simulate.campaign import ClickModel
from gnn_core.simulate.sizes import size_of
from gnn_core.simulate.worlds import World

START = "2026-03-02"
"""As-of date of the store's newest week: the first e-mails leave on it."""
STORE = dataclasses.replace(size_of("trial"), name="story", sends=40_000, window_users=1_500)
"""Large enough for gate 1 and small enough for a demo; with e-mails enough before the start for a base rate."""
STRUCTURE = 0.25
"""Lift of Recall@10 that is to be had: what the default store does not have, and gate 1 therefore does not find."""
_CLICKS, _WEEKS, _SEED = 0.03, 3, 23
"""Sends clicked in control (several times a real programme's, since the store has a sixtieth of its users); weeks of
e-mails, the third of them for the engagements that settle."""


@dataclass(frozen=True)
class Story:
    """What is planted, and what is told of it."""

    words: str
    experiment_lift: float
    rollout_lift: float | None
    """Lift while a tenth of the users is served; None = the story ends at gate 2."""


STORIES = {
    "lift": Story("the hybrid lifts clicks by 80 %, and goes on to do so", 0.8, 0.8),
    "null": Story("the hybrid changes nothing", 0.0, None),
    "harm": Story("the hybrid halves the clicks", -0.5, None),
    "regression": Story(
        "the hybrid lifts clicks by 80 % in the test, and loses nearly all of them in the rollout", 0.8, -0.95
    ),
}


def tell(name: str, seed: int, console: Console) -> int:
    """Simulate, run the week, play the experiment, read gate 2; and where it passes, start the rollout and go on.

    Raises:
        ConfigError: there is no such story.
    """
    if name not in STORIES:
        raise ConfigError(f"--story {name!r}: there are {', '.join(STORIES)}")
    story = STORIES[name]
    console.print(f"\nThe truth that is planted: {story.words}.", style="bold")
    data.simulate_store(STORE, seed, console, World.planted_structure(STRUCTURE))
    experiment.start(START, console)
    if weekly.run_week(None, console) != 0:
        return 1
    model = ClickModel(click_rate=_CLICKS, lift=story.experiment_lift)
    _chapter("Two weeks of e-mails, and one for what comes late", console)
    experiment.play(_WEEKS, model, _SEED, None, console)
    if experiment.read(None, False, console) != 0:
        return 1
    if story.rollout_lift is not None:
        where = Environment.from_variables()
        if not rollout.gate2_passed(where.artifacts(where.settings())):
            console.print("Gate 2 has not passed: nothing is rolled out.")
            return 1
        _chapter("Rollout: a tenth of the users", console)
        if rollout.move(rollout.START, "demo", "gate 2 passed", publish=True, console=console) != 0:
            return 1
        experiment.play(_WEEKS, ClickModel(click_rate=_CLICKS, lift=story.rollout_lift), _SEED + 1, None, console)
        # A rollback is an error check and no failed run.
        experiment.read(None, False, console)
        rollout.show(console)
    _chapter("Where the program stands", console)
    status.show(status.status(), console)
    return 0


def _chapter(words: str, console: Console) -> None:
    console.print(f"\n{words}", style="bold")
