"""The lines by which training processes speak to the step that started them: whole ones, though all share one pipe."""

from __future__ import annotations

import json
import sys

STEP = "@step "
"""Begins the line of a training step; all other lines are words for the step's log."""


def write(line: str) -> None:
    """Write a line by a single write to the pipe.

    Unbuffered, `print` writes text and line end one after the other, and another process may write in between.
    Writes of up to 4,096 bytes are not mixed by the system (PIPE_BUF, man 7 pipe).
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def write_step(what: str, done: int, most: int, loss: float) -> None:
    """Tell a training step; see `progress.Report`."""
    write(STEP + json.dumps([what, done, most, loss]))


def step_of(line: str) -> tuple[str, int, int, float] | None:
    """The training step that a line tells, or None for any other line."""
    return tuple(json.loads(line.removeprefix(STEP))) if line.startswith(STEP) else None
