"""What a weekly run's statements would read, by dry run: asked of the warehouse, none of it made up.

What belongs here: which statements can be asked beforehand, and the sum. What does not: prices (monitoring/cost.py). A
statement that reads what an earlier one of the same run makes can only be asked while that table is there; the others
are named, with the table they wait for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gnn_core.config import Settings
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.scoring.sql_run import LIST_STEPS, VERSIONS, baseline_parameters
from gnn_core.stores.sql_files import named
from gnn_core.stores.staging import RECIPES, staging_parameters
from gnn_core.stores.week import WeekTables


@dataclass(frozen=True)
class Estimate:
    """One statement of the weekly job."""

    statement: str
    bytes_read: int | None
    """None when a table that it reads is not there yet."""
    waits_for: tuple[str, ...] = ()


def estimate_week(warehouse: Warehouse, settings: Settings, week: WeekTables) -> list[Estimate]:
    """A dry run of every statement of staging and of the SQL cascade at the as-of date."""
    known: dict[TableName, bool] = {}
    found = []
    for label, name, parameters, tables in _statements(settings, week):
        sql, values, used = named(name, parameters, tables)
        missing = [t for t in used.values() if not known.setdefault(t, warehouse.exists(t))]
        if missing:
            found.append(Estimate(label, None, tuple(sorted(map(str, missing)))))
            continue
        found.append(
            Estimate(label, warehouse.estimate(sql, parameters=values, tables=used, label=f"estimate {label}"))
        )
    return found


def _statements(
    settings: Settings, week: WeekTables
) -> Iterator[tuple[str, str, Mapping[str, object], dict[str, TableName]]]:
    """(label, SQL file, parameters, tables) in the order of a run."""
    contract = {name: week.table(name) for name in RECIPES}
    if settings.store.tables == "raw":
        for name, recipe in RECIPES.items():
            sources = {
                f"source_{key}": TableName(settings.warehouse.source_dataset, getattr(settings.sources, key))
                for key in recipe.sources
            }
            scratch = {h: TableName(week.dataset, f"scratch_{week.table(name).table}_{h}") for h in recipe.helpers}
            tables = {**contract, **sources, **scratch}
            for file in (*recipe.helpers, name):
                yield f"{name}: staging/{file}", f"staging/{file}", staging_parameters(week, settings), tables
    cutoff = np.datetime64(week.as_of, "us")
    for version in VERSIONS:
        steps = ("eligible_products", "segment_scores", "intent", *LIST_STEPS, "lists", "coverage", "size")
        tables = contract | {step: week.scores(step, cutoff, version) for step in steps}
        for step in steps:
            yield (
                f"{version}: baseline/{step}",
                f"baseline/{step}",
                baseline_parameters(cutoff, version, settings),
                tables,
            )
