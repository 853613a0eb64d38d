"""Do a week's inputs look like those of the weeks before? One PSI an input, beside what chance alone would give.

What belongs here: which distributions of a snapshot are watched, and how each is compared. What does not: the PSI
itself (drift.py), what follows from it (experiment/guards.py, checks).

Of events, a week is compared with the reference weeks of the same snapshot; of what users own and what the catalogue
holds, with the snapshot of an earlier week, where there is one. A user's events are alike, so that chance counts users.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.config import EligibilitySettings, MonitoringSettings
from gnn_core.contracts import EVENT_TYPES
from gnn_core.monitoring.drift import category_stability, population_stability, psi_by_chance
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.snapshot import Events, Snapshot

STEADY, MOVED, ALARM, UNKNOWN = "steady", "moved", "another population", "too few to tell"
_WEEK = np.timedelta64(7, "D")
_TOP = 20
"""Largest categories that stand for themselves; the others are one, since a hundred rare ones are mostly chance."""
_OTHERS = "all others"


@dataclass(frozen=True)
class InputStability:
    """One input of the week beside its reference."""

    name: str
    psi: float | None
    """None where one of the two sides has nothing."""
    by_chance: float | None
    """PSI that two samples of these sizes stay below by chance."""
    reference: int
    """Independent draws: users, products."""
    current: int
    state: str
    """`steady`, `moved` (from the warning level), `another population` (from the alarm level), or `too few to tell`."""
    sentence: str


@dataclass(frozen=True)
class InputDrift:
    """Every input of a week."""

    weeks: int
    """Whole weeks of the event stream that the reference could use."""
    inputs: tuple[InputStability, ...]

    @property
    def worst(self) -> InputStability | None:
        """The first of the most serious state; None when no input could be told."""
        order = (ALARM, MOVED, STEADY)
        known = [i for i in self.inputs if i.state in order]
        return min(known, key=lambda i: (order.index(i.state), -(i.psi or 0.0))) if known else None

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        worst = self.worst
        return dataclasses.asdict(self) | {"worst": None if worst is None else dataclasses.asdict(worst)}


@dataclass(frozen=True)
class Holdings:
    """What a week's tables hold that is no event."""

    users: int
    makes_O: NDArray[np.object_]
    """Make of every owned vehicle, one entry an ownership."""
    prices_P: NDArray[np.float64]
    """Of eligible products, USD."""
    part_types_P: NDArray[np.object_]
    """Of eligible products."""

    @classmethod
    def of(cls, frames: Mapping[str, pd.DataFrame], settings: EligibilitySettings) -> Holdings:
        """From the contract tables users, vehicles, ownership and products."""
        make = frames["vehicles"].set_index("vehicle_id")["make"]
        products = frames["products"][eligible_mask(frames["products"], settings)]
        return cls(
            users=len(frames["users"]),
            makes_O=make.loc[frames["ownership"]["vehicle_id"]].to_numpy(dtype=object),
            prices_P=products["price"].to_numpy(dtype=np.float64),
            part_types_P=products["part_type"].to_numpy(dtype=object),
        )


def input_drift(
    snapshot: Snapshot,
    stream_start: np.datetime64,
    settings: MonitoringSettings,
    *,
    holdings: tuple[Holdings, Holdings] | None = None,
) -> InputDrift:
    """Compare the last week of a snapshot with the reference weeks before it.

    Args:
        stream_start: before it there are orders only, so that it bounds the reference.
        holdings: of an earlier week and of this one; None = there is no earlier one.
    """
    start = snapshot.as_of - _WEEK
    weeks = max(0, min(int((start - stream_start) // _WEEK), settings.reference_weeks))
    found: list[InputStability] = []
    if weeks:
        current = snapshot.events.between(start, snapshot.as_of)
        reference = snapshot.events.between(start - weeks * _WEEK, start)
        found += _events(snapshot, reference, current, settings)
    if holdings is not None:
        old, new = holdings
        n_P = len(old.prices_P), len(new.prices_P)
        found += [
            _categories("makes that users own", old.makes_O, new.makes_O, old.users, new.users, settings),
            _numbers("prices of eligible products", old.prices_P, new.prices_P, *n_P, settings),
            _categories("part types of eligible products", old.part_types_P, new.part_types_P, *n_P, settings),
        ]
    return InputDrift(weeks, tuple(found))


def _events(
    snapshot: Snapshot, reference: Events, current: Events, settings: MonitoringSettings
) -> list[InputStability]:
    active_r, active_c = np.unique(reference.user_E), np.unique(current.user_E)
    n_r, n_c = len(active_r), len(active_c)
    kinds = np.array(EVENT_TYPES, dtype=object)
    return [
        _categories("kinds of events", kinds[reference.kind_E], kinds[current.kind_E], n_r, n_c, settings),
        _categories(
            "part types of events", snapshot.part_types[snapshot.part_type_P[reference.product_E]],
            snapshot.part_types[snapshot.part_type_P[current.product_E]], n_r, n_c, settings,
        ),
        _numbers(
            "prices of events", snapshot.price_P[reference.product_E], snapshot.price_P[current.product_E], n_r, n_c,
            settings,
        ),
        _numbers("events of a user in a week", _weekly_counts(reference),
                 _weekly_counts(current), n_r, n_c, settings),
        _categories("makes of active users", _owned_makes(snapshot, active_r), _owned_makes(snapshot, active_c),
                    n_r, n_c, settings),
    ]  # fmt: skip


def _weekly_counts(events: Events) -> NDArray[np.float64]:
    """Events of every user and week that has any."""
    first = int(events.ts_E.min()) if len(events) else 0
    week_E = (events.ts_E - first) // int(_WEEK / np.timedelta64(1, "us"))
    _, counts = np.unique(np.stack([events.user_E, week_E]), axis=1, return_counts=True)
    return counts.astype(np.float64)


def _owned_makes(snapshot: Snapshot, users: NDArray[np.int64]) -> NDArray[np.object_]:
    """Make of every vehicle of these users, one entry an ownership."""
    owned = snapshot.owns_UV[users]
    return snapshot.make_ids[snapshot.make_S[snapshot.segment_V[owned.indices]]]


def _numbers(
    name: str,
    reference: NDArray[np.float64],
    current: NDArray[np.float64],
    n_reference: int,
    n_current: int,
    settings: MonitoringSettings,
) -> InputStability:
    reference, current = (v[np.isfinite(v)] for v in (reference, current))
    if min(len(reference), len(current), n_reference, n_current) == 0:
        return _nothing(name, n_reference, n_current)
    psi = population_stability(reference, current, settings.psi_bins)
    return _judged(name, psi, settings.psi_bins, n_reference, n_current, settings)


def _categories(
    name: str,
    reference: NDArray[np.object_],
    current: NDArray[np.object_],
    n_reference: int,
    n_current: int,
    settings: MonitoringSettings,
) -> InputStability:
    if min(len(reference), len(current), n_reference, n_current) == 0:
        return _nothing(name, n_reference, n_current)
    names, counts = np.unique(reference.astype(str), return_counts=True)
    top = set(names[np.lexsort((names, -counts))][:_TOP].tolist())
    sides = [_counted(side, top) for side in (reference, current)]
    bins = len({*sides[0], *sides[1]})
    return _judged(name, category_stability(*sides), bins, n_reference, n_current, settings)


def _counted(values: NDArray[np.object_], top: set[str]) -> dict[str, int]:
    names, counts = np.unique(values.astype(str), return_counts=True)
    found: dict[str, int] = {}
    for category, n in zip(names.tolist(), counts.tolist(), strict=True):
        key = category if category in top else _OTHERS
        found[key] = found.get(key, 0) + n
    return found


def _judged(
    name: str, psi: float, bins: int, n_reference: int, n_current: int, settings: MonitoringSettings
) -> InputStability:
    chance = psi_by_chance(n_reference, n_current, bins, settings.drift_confidence)
    figures = f"PSI {psi:.3f} (chance alone stays below {chance:.3f})"
    if psi > max(chance, settings.psi_alarm):
        state, words = ALARM, f"above {settings.psi_alarm:g}: another population"
    elif chance > settings.psi_alarm:
        state, words = UNKNOWN, f"{n_current:,} against {n_reference:,} do not show a change of {settings.psi_alarm:g}"
    elif psi > max(chance, settings.psi_warn):
        state, words = MOVED, f"above {settings.psi_warn:g}: it has moved"
    else:
        state, words = STEADY, "steady" if psi <= chance else f"below the {settings.psi_warn:g} that warns: steady"
    return InputStability(name, psi, chance, n_reference, n_current, state, f"{name}: {figures}; {words}.")


def _nothing(name: str, n_reference: int, n_current: int) -> InputStability:
    side = "the week has" if n_current == 0 else "the reference has"
    return InputStability(name, None, None, n_reference, n_current, UNKNOWN, f"{name}: {side} none.")
