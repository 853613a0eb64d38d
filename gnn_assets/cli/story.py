"""`gnn demo`: the whole programme on a simulated store, from gate 1 to the first steps of the rollout.

What belongs here: the order of the chapters, and which truth is planted in the customers. What does not: any step of
the platform, each of which runs through Dagster as it does elsewhere; the gates decide how far a story goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from gnn_assets.cli import data, demo_state, experiment, rollout, status, weekly
from gnn_assets.environment import Environment
from gnn_core.errors import ConfigError
from gnn_core.evaluation.names import phrase
from gnn_core.experiment.rollout_ledger import read_moves
from gnn_core.io.artifacts import ArtifactStore
from gnn_core.simulate.campaign import ClickModel

START = "2026-03-02"
"""As-of date of the store's newest week: the first e-mails leave on it."""
_SEED = 23
_TEST_WEEKS = 3
"""Two weeks of e-mails, and a third for the engagements that settle."""
_STAGES = 2
"""Readings of the rollout that are played; each may go a stage on."""


@dataclass(frozen=True)
class Story:
    """What is planted, and what is told of it."""

    words: str
    experiment_lift: float
    rollout_lift: float


STORIES = {
    "lift": Story("the hybrid lifts clicks by 80 %, and goes on to do so", 0.8, 0.8),
    "null": Story("the hybrid changes nothing", 0.0, 0.0),
    "harm": Story("the hybrid halves the clicks", -0.5, -0.5),
    "regression": Story(
        "the hybrid lifts clicks by 80 % in the test, and loses nearly all of them in the rollout", 0.8, -0.95
    ),
}


@dataclass(frozen=True)
class Customers:
    """How much the customers of a store size do: a small store needs busier ones to show as much."""

    click_rate: float
    """Sends clicked in control; several times a real programme's, since the store has a sixteenth of its users."""
    stage_weeks: int
    """Weeks of e-mails between two readings of the rollout."""


CUSTOMERS = {"tiny": Customers(0.1, 3), "trial": Customers(0.06, 2), "small": Customers(0.03, 1)}


def tell(name: str, size: str, seed: int, console: Console) -> int:
    """Simulate, run the week, play the experiment, read gate 2; and where it passes, start the rollout and go on.

    Returns:
        0 when every run went well, whatever the gates said; 1 when one failed.
    Raises:
        ConfigError: there is no such story, the full size is to be played, or the state directory holds a store that
            no demo made.
    """
    if name not in STORIES:
        raise ConfigError(f"--story {name!r}: there are {', '.join(STORIES)}")
    if size not in CUSTOMERS:
        raise ConfigError(f"--size {size!r}: stories are played on {', '.join(CUSTOMERS)}")
    story, customers = STORIES[name], CUSTOMERS[size]
    console.print(f"\nThe truth that is planted: {story.words}.", style="bold")
    where = Environment.from_variables()
    if demo_state.clear(where):
        _say(f"The demo that was in {where.state_dir} is replaced.", console)
    data.simulate_store(size, seed, console)
    demo_state.claim(where)
    experiment.start(START, console)
    if weekly.run_week(None, console, summary=False) != 0:
        return 1
    return go_on(story, customers, console)


def go_on(story: Story, customers: Customers, console: Console) -> int:
    """From a week that was run and published, as far as the gates let it; the exit code of `tell`."""
    where = Environment.from_variables()
    store, week = where.artifacts(where.settings()), where.settings().store.last_week
    assert week is not None
    decision = store.read(week.isoformat(), "promoted_model").json("decision.json")
    if not decision["promoted"]:
        _chapter("Nothing goes on", console)
        _say(f"{decision['reason']} Without a pass at gate 1 there is no experiment and no rollout: SQL's table is "
             "served to everyone. Another --seed is another store.", console)  # fmt: skip
        return _close(console)
    _shadow(store, week.isoformat(), console)
    _chapter("Two weeks of e-mails to both arms, and one for what comes late", console)
    _say(f"These customers click {customers.click_rate:.0%} of their e-mails, more often than in the store's past: at "
         "that rate so small a store could not decide, as its plan says below.", console)  # fmt: skip
    model = ClickModel(click_rate=customers.click_rate, lift=story.experiment_lift)
    experiment.play(_TEST_WEEKS, model, _SEED, None, console)
    if experiment.read(None, False, console) != 0:
        return 1
    if not rollout.gate2_passed(where.artifacts(where.settings()), where.settings().experiment):
        _say("\nGate 2 has not passed: nothing is rolled out.", console)
        return _close(console)
    _chapter("Rollout: a tenth of the users", console)
    if rollout.move(rollout.START, "demo", "gate 2 passed", publish=True, console=console) != 0:
        return 1
    for reading in range(1, _STAGES + 1):
        _chapter(f"Rollout, reading {reading} of {_STAGES}", console)
        model = ClickModel(click_rate=customers.click_rate, lift=story.rollout_lift)
        experiment.play(customers.stage_weeks, model, _SEED + reading, None, console)
        # A rollback is an error check and no failed run.
        if experiment.read(None, False, console, readout=False) != 0:
            return 1
        if read_moves(where.warehouse(where.settings()), where.settings())[-1].to_share == 0:
            break
    return _close(console)


def _shadow(store: ArtifactStore, week: str, console: Console) -> None:
    """What the shadow comparison found, before anybody is served by it."""
    found = store.read(week, "shadow_comparison").json("shadow.json")
    _chapter("In the shadow", console)
    broken = sum(len(found["qa"][side]["broken"]) for side in ("served", "shadow"))
    _say(
        f"{found['overlap']:.0%} of the products in the lists of {phrase(found['baseline'])} stand in those of "
        f"{phrase(found['policy'])} too; mean price {found['price_served']:.0f} → {found['price_shadow']:.0f} USD; "
        f"{found['products_served']:,} → {found['products_shadow']:,} different products; "
        f"{broken or 'no'} rule(s) broken in either table.",
        console,
    )


def _close(console: Console) -> int:
    """Where the program stands, and what there is to read."""
    _chapter("Where the program stands", console)
    found = status.status()
    where = Environment.from_variables()
    moves = read_moves(where.warehouse(where.settings()), where.settings())
    table = Table(show_header=False, pad_edge=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for gate in found["program"]["gates"]:
        table.add_row(gate["name"], f"{gate['verdict'].upper()} {gate['interval']}")
    for move in moves:
        table.add_row(
            f"{move.at:%Y-%m-%d} {move.action}", f"{move.from_share:.0%} → {move.to_share:.0%}. {move.reason}"
        )
    table.add_row("served", found["program"]["served"])
    table.add_row("next decision", found["program"]["next_decision"])
    for stop in found["program"]["stops"]:
        if stop["applies"]:
            table.add_row("reason to stop", f"{stop['signal']}: {stop['action']}")
    console.print(table)
    for name, address in found["pages"].items():
        console.print(f"{name}: {address}", soft_wrap=True, highlight=False, markup=False)
    console.print("`gnn status` says more; `gnn ui` opens Dagster on the same state.")
    return 0


def _chapter(words: str, console: Console) -> None:
    console.print(f"\n{words}", style="bold")


def _say(words: str, console: Console) -> None:
    console.print(words, highlight=False, markup=False, soft_wrap=True)
