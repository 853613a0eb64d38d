"""From a tenth of the users to all of them, one guarded stage at a time; and back to SQL by itself.

What belongs here: stages, guards and the move that follows from them; all of it pure. What does not: where the ledger
is kept (rollout_ledger.py), how a guard is measured (guards.py).

No data means hold, not go. A red guard rolls back at once. A stage is served for its days and goes on when every guard
is green; held too long, it needs a person. What a person holds, only a person steps; after a rollback only a person
starts again. Every move names who, when and why.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from gnn_core.config import RolloutSettings
from gnn_core.errors import RolloutRefused

GREEN, RED, NO_DATA = "green", "red", "no data"
START, STEP, HOLD, ROLLBACK = "start", "step", "hold", "rollback"
PLATFORM = "platform"
"""Who moved, when no person did."""


@dataclass(frozen=True)
class Guard:
    """One condition of a step, read."""

    name: str
    state: str
    """`green`, `red`, or `no data`."""
    sentence: str


@dataclass(frozen=True)
class Move:
    """One row of the ledger: from `at` on, `to_share` of the users are served the promoted policy."""

    sequence: int
    """1, 2, 3 …; the order of moves."""
    at: dt.datetime
    action: str
    from_share: float
    to_share: float
    by: str
    reason: str
    guards: tuple[Guard, ...] = ()
    needs_decision: bool = False
    """Held longer than the longest hold: nothing goes on until a person steps, holds anew, or rolls back."""

    @property
    def alerts(self) -> bool:
        """Whether somebody is told at once."""
        return self.needs_decision or self.action == ROLLBACK


@dataclass(frozen=True)
class Stage:
    """Where the rollout stands, from its moves."""

    share: float
    since: dt.datetime
    """When this share began."""
    decided: dt.datetime
    """The last time a person decided about this share, or its beginning; the longest hold counts from here."""
    held: bool
    """A person holds this share: the platform does not step it."""
    rolled_back: bool
    sequence: int


def stage_of(moves: Sequence[Move]) -> Stage | None:
    """Where the rollout stands; None before its start."""
    if not moves:
        return None
    ordered = sorted(moves, key=lambda move: move.sequence)
    since = decided = ordered[0].at
    held = False
    for move in ordered[1:]:
        if move.action != HOLD:
            since, decided, held = move.at, move.at, False
        elif move.by != PLATFORM:
            decided, held = move.at, True
    last = next((m for m in reversed(ordered) if m.action != HOLD), ordered[-1])
    return Stage(ordered[-1].to_share, since, decided, held, last.action == ROLLBACK, ordered[-1].sequence)


def served_share(moves: Sequence[Move], before: float) -> float:
    """Share of the users who are served the promoted policy: the ledger's word, or `before` where there is none."""
    stage = stage_of(moves)
    return before if stage is None else stage.share


def next_move(
    moves: Sequence[Move],
    guards: Sequence[Guard],
    at: dt.datetime,
    settings: RolloutSettings,
    *,
    served_since: dt.datetime | None = None,
) -> Move:
    """What the platform does by itself now: hold, step or roll back.

    Args:
        served_since: first publish under the stage's share, from which its days count; None = the stage's beginning.
    Raises:
        RolloutRefused: the rollout has not started, or was rolled back: only a person starts it.
        RolloutRefused: no guard was read, or one occurs twice: nothing follows from that.
    """
    stage = _running(moves, at)
    names = [guard.name for guard in guards]
    if not names or len(set(names)) < len(names):
        raise RolloutRefused(f"rollout: guards are {names}; read each guard once before a move")
    red = [g for g in guards if g.state == RED]
    unread = [g for g in guards if g.state == NO_DATA]
    if red:
        reason = "Rolled back to SQL: " + " ".join(g.sentence for g in red)
        return _move(stage, ROLLBACK, 0.0, at, PLATFORM, reason, guards)
    days = (at - stage.since).days
    if served_since is not None:
        # By the calendar: a table that went out on a Monday was served that Monday, whatever the hour.
        days = min(days, (at.date() - served_since.date()).days)
    overdue = (at - stage.decided).days - _stage_days(stage.share, settings) > settings.longest_hold_days
    if stage.share == 1.0:
        reason = "Everyone is served the promoted policy; the guards go on being read."
        if unread:
            reason += " Not read: " + " ".join(g.sentence for g in unread)
        return _move(stage, HOLD, stage.share, at, PLATFORM, reason, guards)
    if unread or stage.held:
        why = "since a person holds it." if stage.held else "since no data means hold:"
        reason = " ".join([f"Held at {stage.share:.0%}, {why}", *(g.sentence for g in unread)])
        if overdue:
            reason += f" Held longer than {settings.longest_hold_days} days past its time: a person must decide."
        return _move(stage, HOLD, stage.share, at, PLATFORM, reason, guards, needs_decision=overdue)
    if days < _stage_days(stage.share, settings):
        reason = f"Day {days} of {_stage_days(stage.share, settings)} at {stage.share:.0%}; every guard is green."
        return _move(stage, HOLD, stage.share, at, PLATFORM, reason, guards)
    target = next(share for share in settings.stages if share > stage.share)
    reason = f"{days} days at {stage.share:.0%} with every guard green."
    return _move(stage, STEP, target, at, PLATFORM, reason, guards)


def start(
    moves: Sequence[Move],
    *,
    gate2_passed: bool,
    at: dt.datetime,
    by: str,
    reason: str,
    before: float,
    settings: RolloutSettings,
    experiment_start: dt.date | None = None,
) -> Move:
    """A person starts the rollout at its first stage.

    Args:
        experiment_start: of the experiment whose gate 2 passed; a rollout that came before it makes room for its own.
    Raises:
        RolloutRefused: gate 2 has not passed, or the rollout runs already, or nobody is named, or no reason is given.
    """
    _named(by, reason)
    stage = stage_of(moves)
    starts = [move.at.date() for move in moves if move.action == START]
    of_before = bool(starts) and experiment_start is not None and max(starts) <= experiment_start < at.date()
    if stage is not None and not stage.rolled_back and stage.share > 0 and not of_before:
        raise RolloutRefused(f"rollout: it runs already, at {stage.share:.0%} since {stage.since:%Y-%m-%d}")
    if not gate2_passed:
        raise RolloutRefused("rollout: gate 2 has not passed, so nothing is rolled out. Read the experiment's verdict")
    from_share = before if stage is None else stage.share
    sequence = 1 if stage is None else stage.sequence + 1
    return Move(sequence, _zoned(at, moves), START, from_share, settings.stages[0], by, reason)


def operate(
    moves: Sequence[Move], action: str, *, at: dt.datetime, by: str, reason: str, settings: RolloutSettings
) -> Move:
    """A person holds, steps, or rolls back.

    Raises:
        RolloutRefused: the action is none of these, the rollout does not run, there is no further stage, or nobody is
            named, or no reason is given.
    """
    _named(by, reason)
    stage = _running(moves, at)
    if action == ROLLBACK:
        return _move(stage, ROLLBACK, 0.0, at, by, reason, ())
    if action == HOLD:
        return _move(stage, HOLD, stage.share, at, by, reason, ())
    if action != STEP:
        raise RolloutRefused(f"rollout: {action!r} is no move; there are {HOLD}, {STEP} and {ROLLBACK}")
    further = [share for share in settings.stages if share > stage.share]
    if not further:
        raise RolloutRefused("rollout: everyone is served already; there is no further stage")
    return _move(stage, STEP, further[0], at, by, reason, ())


def _running(moves: Sequence[Move], at: dt.datetime) -> Stage:
    _zoned(at, moves)
    stage = stage_of(moves)
    if stage is None:
        raise RolloutRefused("rollout: it has not started; `gnn rollout start` does that after gate 2 has passed")
    if stage.rolled_back:
        raise RolloutRefused(
            "rollout: it was rolled back and stays so; find out why, then start again with `gnn rollout start`"
        )
    return stage


def _move(
    stage: Stage,
    action: str,
    to: float,
    at: dt.datetime,
    by: str,
    reason: str,
    guards: Sequence[Guard],
    *,
    needs_decision: bool = False,
) -> Move:
    return Move(stage.sequence + 1, at, action, stage.share, to, by, reason, tuple(guards), needs_decision)


def _stage_days(share: float, settings: RolloutSettings) -> int:
    """Days that a share is served at least; that of the largest stage not above it."""
    reached = [i for i, stage in enumerate(settings.stages[:-1]) if stage <= share]
    return settings.stage_days[reached[-1]] if reached else settings.stage_days[0]


def _named(by: str, reason: str) -> None:
    if not by.strip() or by == PLATFORM:
        raise RolloutRefused("rollout: every move names who made it; give a person's name")
    if not reason.strip():
        raise RolloutRefused("rollout: every move names why; give a reason")


def _zoned(at: dt.datetime, moves: Sequence[Move]) -> dt.datetime:
    if at.tzinfo is None:
        raise RolloutRefused(f"rollout: {at} has no time zone; give a UTC moment")
    newest = max((move.at for move in moves), default=at)
    if at < newest:
        raise RolloutRefused(f"rollout: {at} lies before the last move of {newest}; the ledger only grows")
    return at
