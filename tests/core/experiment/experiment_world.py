"""Settings and small frames of literals that the tests of the experiment share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gnn_core.config import ExperimentSettings, Settings, load_settings
from gnn_core.experiment.assignment import CONTROL, TREATMENT
from gnn_core.experiment.engagement import (
    COUNTED,
    ENGAGEMENT_REASONS,
    ORDER_REASONS,
    SEND_REASONS,
    USER_REASONS,
    Outcomes,
    Window,
)

CONFIG = Path(__file__).parents[3] / "configs" / "gnn_config.yaml"
ALL: Settings = load_settings(CONFIG, [{"experiment": {"start": "2026-03-02"}}])
BASE: ExperimentSettings = ALL.experiment
START = pd.Timestamp("2026-03-02", tz="UTC")
DONE = pd.Timestamp("2026-03-18", tz="UTC")
"""Planned end 2026-03-16, read two days later."""


def settings(**changes: Any) -> ExperimentSettings:
    """The shipped settings with a start, and changes."""
    return dataclasses.replace(BASE, **changes)


def window(as_of: pd.Timestamp = DONE) -> Window:
    """The experiment's own."""
    return Window.planned(BASE, as_of)


def at(day: float) -> pd.Timestamp:
    """Moment so many days after the start."""
    return START + pd.Timedelta(days=day)


def assigned(*rows: tuple[str, str] | tuple[str, str, bool]) -> pd.DataFrame:
    """(user, arm[, eligible]) → assignments."""
    full = [(*row, True)[:3] for row in rows]
    return pd.DataFrame(
        {
            "user_id": [r[0] for r in full],
            "arm": [r[1] for r in full],
            "eligible": [r[2] for r in full],
            "engagement_tier": "cold",
        }
    )


def sends(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """(tracking id, user, arm, day)."""
    frame = pd.DataFrame(rows, columns=["tracking_id", "user_id", "arm", "sent_ts"])
    frame["sent_ts"] = pd.DatetimeIndex([at(d) for d in frame["sent_ts"]], tz="UTC")
    return frame


def engagements(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """(tracking id, kind, day)."""
    frame = pd.DataFrame(rows, columns=["tracking_id", "kind", "engaged_ts"])
    frame["engaged_ts"] = pd.DatetimeIndex([at(d) for d in frame["engaged_ts"]], tz="UTC")
    return frame


def orders(*rows: tuple[str, str | None, float, int, float | None]) -> pd.DataFrame:
    """(user, order id, day, quantity, price)."""
    frame = pd.DataFrame(rows, columns=["user_id", "order_id", "event_ts", "quantity", "price"])
    frame["event_ts"] = pd.DatetimeIndex([at(d) for d in frame["event_ts"]], tz="UTC")
    frame["price"] = frame["price"].astype(float)
    return frame.assign(event_type="order")


def outcomes_of(
    users: tuple[int, int],
    clickers: tuple[int, int],
    buyers: tuple[int, int] = (0, 0),
    sent: tuple[int, int] | None = None,
    opened: tuple[int, int] = (0, 0),
    click_days: tuple[Any, Any] | None = None,
) -> Outcomes:
    """Outcomes with these totals (control, treatment): the first users of an arm are those who did it."""
    frames = []
    for a, arm in enumerate((CONTROL, TREATMENT)):
        n = users[a]
        place = np.arange(n)
        total = n if sent is None else sent[a]
        clicked, bought = place < clickers[a], place < buyers[a]
        days = np.full(n, -1)
        days[: clickers[a]] = 0 if click_days is None else click_days[a]
        frames.append(
            pd.DataFrame(
                {
                    "user_id": [f"{arm[0]}{i}" for i in place],
                    "arm": arm,
                    "tier": "cold",
                    "sends": total // max(1, n) + (place < total % max(1, n)),
                    "opens": (place < opened[a]).astype(int),
                    "clicks": clicked.astype(int),
                    "clicked": clicked,
                    "click_day": days,
                    "orders": bought.astype(int),
                    "bought": bought,
                    "order_day": np.where(bought, 0, -1),
                    "revenue": np.where(bought, 100.0, 0.0),
                }
            )
        )
    frame = pd.concat(frames, ignore_index=True)
    return Outcomes(
        users=frame,
        left_out=dict.fromkeys(USER_REASONS, 0),
        sends={COUNTED: int(frame["sends"].sum()), **dict.fromkeys(SEND_REASONS, 0)},
        engagements={COUNTED: 0, **dict.fromkeys(ENGAGEMENT_REASONS, 0)},
        orders={COUNTED: 0, **dict.fromkeys(ORDER_REASONS, 0)},
        sends_by_day=dict.fromkeys((CONTROL, TREATMENT), (1,) * 14),
        crossovers=0,
        clicks_without_open=0,
        lines_without_price=0,
    )
