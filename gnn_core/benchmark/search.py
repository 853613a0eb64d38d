"""Settings for one store, chosen inside its own validation windows: a small grid, several seeds, a cautious choice.

What belongs here: the grid, its budget, the choice and the overlay that it is written as. What does not: fitting and
keeping (trials.py), figures (against_defaults.py).

Seeds are of training: another split of a public store would make validation users of users who are judged at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gnn_core.benchmark.against_defaults import DEFAULTS, Compared, result_of
from gnn_core.benchmark.spec import Spec
from gnn_core.benchmark.trials import Changes, Trial
from gnn_core.benchmark.variants import changed
from gnn_core.config import Settings
from gnn_core.errors import ConfigError

_NEVER = 36_500.0
"""Days: a hundred years, which is no decay."""
GRID: Mapping[str, Changes] = {
    "decay_7": {"graph": {"decay_tau_days": 7.0}},
    "decay_90": {"graph": {"decay_tau_days": 90.0}},
    "decay_never": {"graph": {"decay_tau_days": _NEVER}},
    "lifts_daring": {"paths": {"lift_strengths": (3.0, 30.0)}},
    "lifts_careful": {"paths": {"lift_strengths": (300.0, 3000.0)}},
    "attributes_less": {"model": {"item_attribute_weight": 0.1}},
    "attributes_more": {"model": {"item_attribute_weight": 1.0}},
    "untrained": {"training": {"max_steps": 0}},
}
"""One setting at a time from the defaults: what stores were seen to differ in. The product of all would be 96 fits."""


@dataclass(frozen=True)
class Choice:
    """What the search says, with the figures behind it."""

    chosen: str
    """DEFAULTS unless a setting is better beyond chance."""
    changes: Changes
    reason: str
    rows: tuple[Compared, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return vars(self) | {"rows": [row.as_json() for row in self.rows]}


def search_trials(spec: Spec, settings: Settings, *, seeds: int, names: Sequence[str] = ()) -> list[Trial]:
    """The defaults and every point of the grid, each with every seed of training.

    Args:
        names: points of the grid; none = all.
    Raises:
        ConfigError: a point is unknown, or there is no seed.
    """
    unknown = [name for name in names if name not in GRID]
    if unknown or seeds < 1:
        raise ConfigError(
            f"search: {', '.join(unknown) or f'{seeds} seeds'}; points are {', '.join(GRID)}, seeds at least 1"
        )
    points: dict[str, Changes] = {DEFAULTS: {}} | {name: GRID[name] for name in (names or GRID)}
    trials = []
    for name, changes in points.items():
        for seed in range(seeds):
            training = dict(changes.get("training", {})) | {"seed": settings.training.seed + seed}
            trials.append(Trial(spec, (result_of(name, seed),), {**changes, "training": training}))
    return trials


def choose_setting(rows: Sequence[Compared], confidence: float) -> Choice:
    """The setting with the best mean among those that beat the defaults beyond chance; else the defaults.

    Beyond chance: the lift is above 0 and its p-value, after Holm's correction for the number of settings, below
    1 − confidence. The best of eight is flattered by having been chosen on the users that judge it.
    """
    better = [
        row
        for row in rows
        if row.lift is not None and row.p_holm is not None and (row.lift.estimate or 0) > 0
        if row.p_holm < 1 - confidence
    ]
    defaults = next(row for row in rows if row.name == DEFAULTS)
    if not better:
        tried = len(rows) - 1
        return Choice(DEFAULTS, {}, f"none of {tried} settings beats the defaults beyond chance", tuple(rows))
    best = max(better, key=lambda row: row.recall)
    assert best.lift is not None
    reason = (
        f"Recall@10 on validation {best.recall:.4f} against {defaults.recall:.4f} with the defaults, "
        f"p = {best.p_holm:.3f} after Holm's correction for {len(rows) - 1} settings"
    )
    return Choice(best.name, GRID[best.name], reason, tuple(rows))


def overlay_text(choice: Choice, cell: str, settings: Settings) -> str:
    """The choice as a config overlay, with the reason above it; an empty one where the defaults stay.

    Raises:
        ConfigError: the choice is no valid setting.
    """
    changed(settings, choice.changes)
    return (
        f"# Chosen by `gnn bench search` on the validation windows of {cell}: {choice.chosen}, since\n"
        f"# {choice.reason}.\n"
        "# GNN_OVERLAY names this file for the weekly job; without it nothing reads it.\n"
        f"{yaml.safe_dump(dict(choice.changes))}"
    )
