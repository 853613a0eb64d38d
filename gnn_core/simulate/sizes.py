"""How large a simulated store is, and when it starts and ends: every date is a constant here, never the clock.

What belongs here: counts, dates and the presets. What does not: how customers choose (worlds.py).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from gnn_core.errors import ConfigError

HISTORY_START = dt.date(2024, 1, 1)
"""First historical order: 20 months before the event stream."""
STREAM_START = dt.date(2025, 9, 1)
"""First event of the stream; older orders come from the order history."""
MAIL_START = dt.date(2025, 11, 3)
"""First e-mail of the programme."""
STORE_END = dt.date(2026, 3, 2)
"""As-of date of the newest complete week, a Monday; data run on until `TAIL_DAYS` later."""
HORIZON_DAYS = 30
TAIL_DAYS = 4


def moment(date: dt.date) -> int:
    """UTC midnight of a date in microseconds since 1970."""
    return int(np.datetime64(date, "us").astype(np.int64))


DAY = 86_400_000_000
"""Microseconds."""
DATA_END = moment(STORE_END) + TAIL_DAYS * DAY
TEST_START = moment(STORE_END) - HORIZON_DAYS * DAY
VALIDATION_START = TEST_START - HORIZON_DAYS * DAY


@dataclass(frozen=True)
class StoreSize:
    """Counts of one store. Shares are of `users`, tiers as of the start of the test window."""

    name: str
    users: int
    """Users with at least one valid vehicle: the fitment users of the contract tables."""
    products: int
    segments: int
    """Make/models."""
    year_models: int
    """Year/make/models."""
    platforms: int
    """Engine families that the store caters for, at most 40."""
    fitment_pairs: int
    """Product × make/model pairs aimed at."""
    warm_share: float
    hot_share: float
    window_users: int
    """Users without any history whose first visit falls in the test window: they give the evaluation its power."""
    growth: float
    """Visits of a month over visits of the month before, within the stream."""
    guest_order_lines: int
    """Historical order lines of e-mail addresses that no user has (dropped by staging, and counted)."""
    visitor_views: float
    """Views a product gets from visitors without a vehicle: where prices and images mostly come from."""
    sends: int
    min_users: int
    """Floor of the published user count that suits this size."""
    events_per_visit: float = 4.0
    """Mean number of products seen in a visit."""
    no_vehicle_share: float = 0.06
    """Users beyond `users` whose year is NONE or 0, or who have no vehicle: dropped by staging, and counted."""
    appeal_spread: float = 1.0
    """Factor on the spread of product appeal: a small catalogue needs less to look the same."""

    def __post_init__(self) -> None:
        actors = self.users * (self.warm_share + self.hot_share) + self.window_users * 1.2
        if actors > 0.9 * self.users:
            raise ConfigError(f"size {self.name}: {actors:.0f} active users do not leave enough of {self.users} cold")
        if self.products < 150 or self.segments < 10 or self.users < 200:
            raise ConfigError(f"size {self.name}: a store needs 150 products, 10 make/models and 200 users at least")
        if not 2 <= self.platforms <= 40:
            raise ConfigError(f"size {self.name}: platforms is {self.platforms}; it must lie between 2 and 40")


SIZES = {
    s.name: s
    for s in (
        StoreSize("tiny", 2_000, 300, 60, 280, 8, 4_200, 0.07, 0.03, 130, 1.3, 500, 4.0, 2_500, 1_800),
        StoreSize("trial", 8_000, 900, 300, 1_100, 10, 37_500, 0.05, 0.30, 700, 1.1, 500, 2.0, 1_500, 7_200),
        StoreSize("small", 30_000, 2_500, 250, 1_250, 20, 40_000, 0.035, 0.015, 900, 1.4, 9_000, 4.0, 40_000, 27_000),
        StoreSize(
            "full",
            475_000,
            25_000,
            2_000,
            9_746,
            40,
            500_000,
            0.015,
            0.005,
            2_200,
            1.25,
            80_000,
            4.0,
            600_000,
            450_000,
            events_per_visit=5.6,
        ),
    )
}
"""tiny: tests · trial: planted worlds, many seeds · small: the demo · full: the size the platform is designed for."""


def size_of(size: str | StoreSize) -> StoreSize:
    """The preset of that name, or the size itself.

    Raises:
        ConfigError: no preset has that name.
    """
    if isinstance(size, StoreSize):
        return size
    if size not in SIZES:
        raise ConfigError(f"unknown store size {size!r}; known: {', '.join(SIZES)}")
    return SIZES[size]
