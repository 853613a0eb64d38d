"""The week as an option of a command: a Monday, or the newest complete week of the data."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from gnn_core.errors import ConfigError

Week = Annotated[
    str | None,
    typer.Option(help="Monday of the week, such as 2026-02-23. Left out: the newest complete week of the data."),
]


def parse_week(text: str | None) -> dt.date | None:
    """A Monday, or an error that says which day it is."""
    if text is None:
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--week {text!r} is no date; write it as 2026-02-23") from error
    if day.weekday() != 0:
        raise ConfigError(f"--week {text} is a {day:%A}; weeks are named by their Monday")
    return day
