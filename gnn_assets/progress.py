"""Where training reports its steps to: the command line hangs a bar here; without one, only the log tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str, int, int, float], None]
"""(what is trained, step, most steps, loss)"""
_reports: list[Report] = []


@contextmanager
def reported_to(report: Report) -> Iterator[None]:
    """Send steps of this process to `report` for the time of the block."""
    _reports.append(report)
    try:
        yield
    finally:
        _reports.remove(report)


def of(what: str) -> Callable[[int, int, float], None]:
    """The callback of one training."""

    def step(done: int, most: int, loss: float) -> None:
        for report in _reports:
            report(what, done, most, loss)

    return step
