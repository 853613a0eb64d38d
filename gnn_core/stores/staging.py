"""Raw source tables of a retailer → the contract tables of a week, with a count of every row left out.

What belongs here: which SQL makes which table from what, its parameters, and the order of the steps. What does not: the
rules themselves (gnn_core/sql/staging/*.sql), what a contract table must satisfy (contracts.py), stores that come as
contract tables (contract_copy.py).

Every `sql/staging/<table>.sql` yields the table's candidates: the contract columns, `drop_reason` (NULL = kept) and
`n_rows`, how many source rows the candidate stands for. Files that make no contract table are helpers.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from gnn_core.config import Settings
from gnn_core.contracts import CONTRACTS
from gnn_core.errors import ContractError
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.stores.contract_copy import check_contract, copy_candidates
from gnn_core.stores.drops import Drops
from gnn_core.stores.sql_files import run_file
from gnn_core.stores.week import WeekTables

logger = logging.getLogger(__name__)

EVENT_NAMES = ("viewed product", "cart update", "placed order", "ordered product", "consumer website order")
"""Events that are read, in lower case; every other name is counted and left out."""

_PROPERTIES = ("property_name", "string_value", "long_value", "double_value")
_TEXT, _TIME, _YEAR = ("STRING",), ("TIMESTAMP",), ("STRING", "INT64")
SOURCE_COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "user_attributes": {"user_id": _TEXT, "update_timestamp": _TIME, "user_properties": _PROPERTIES},
    "events": {
        "user_id": _TEXT,
        "event_name": _TEXT,
        "client_event_timestamp": _TIME,
        "event_properties": _PROPERTIES,
    },
    "orders": {"ITEM": _TEXT, "SHIP_TO_EMAIL": _TEXT, "ORDER_DATE": _TEXT},
    "fitment": {"v1_year": _YEAR, "v1_make": _TEXT, "v1_model": _TEXT, "products": ("product_number",)},
    "catalogue": {"PartNumber": _TEXT, "PartType": _TEXT, "Tags": _TEXT},
    "sends": {
        "treatment_tracking_id": _TEXT,
        "user_id": _TEXT,
        "arm_id": _TEXT,
        "treatment_sent_timestamp": _TIME,
    },
    "engagements": {"treatment_tracking_id": _TEXT, "interaction_type": _TEXT, "interaction_timestamp": _TIME},
}
"""Columns that staging reads, by key of the `sources` settings: types in capitals, or fields of an array of structs.

An engine may compare a number with a text, and find no user; so a type is looked at before a row is.
"""


@dataclass(frozen=True)
class Recipe:
    """What one contract table is made from."""

    sources: tuple[str, ...]
    helpers: tuple[str, ...] = ()
    """Helper queries, in the order in which they are run."""
    parents: tuple[str, ...] = ()
    """Contract tables of the same week that must be there first."""


RECIPES = {
    "users": Recipe(("user_attributes",), ("user_latest", "user_vehicles")),
    "vehicles": Recipe(("user_attributes", "fitment"), ("user_latest", "user_vehicles", "fitment_vehicles")),
    "ownership": Recipe(("user_attributes",), ("user_latest", "user_vehicles"), ("users",)),
    "products": Recipe(("catalogue", "events", "fitment"), ("event_items",)),
    "fitment": Recipe(("fitment",), ("fitment_vehicles",), ("products",)),
    "events": Recipe(("events", "orders", "user_attributes"), ("user_latest", "event_items"), ("users", "products")),
    "sends": Recipe(("sends",)),
    "engagements": Recipe(("engagements",), (), ("sends",)),
}


def stage_table(warehouse: Warehouse, name: str, week: WeekTables, settings: Settings) -> list[Drops]:
    """Write `work.<name>_<yyyymmdd>` and say what was left out.

    The table is written in one statement at the end: it is the old one or the new one, never half of one. Its helpers
    are its own, so that two tables can be staged at once. Equal sources give an equal table.

    Returns:
        One entry a reason, largest first; empty when every source row was used.
    Raises:
        ContractError: a source table, a source column or a parent table is missing (nothing is written then), or a
            store of contract tables breaks its contract.
    """
    target = week.table(name)  # also refuses a name that is no contract table
    raw = settings.store.tables == "raw"
    tables = _source_tables(warehouse, name, settings) if raw else {}
    tables |= _parent_tables(warehouse, name, week, raw)
    candidates = _scratch(target, "candidates")
    scratch = [candidates]
    warehouse.ensure_dataset(target.dataset)
    try:
        if raw:
            parameters = staging_parameters(week, settings)
            for helper in RECIPES[name].helpers:
                tables[helper] = _scratch(target, helper)
                scratch.append(tables[helper])
                run_file(warehouse, tables[helper], f"staging/{helper}", parameters, tables)
            run_file(warehouse, candidates, f"staging/{name}", parameters, tables)
        else:
            copy_candidates(warehouse, candidates, name, week, settings)
        drops = _count_drops(warehouse, name, candidates)
        if not raw:
            check_contract(warehouse, candidates, name, week)
        columns = ", ".join(CONTRACTS[name].column_names)
        stats = warehouse.create_table_as(
            target,
            f"SELECT {columns} FROM {{candidates}} WHERE drop_reason IS NULL",
            tables={"candidates": candidates},
            layout=getattr(settings.layouts, name),
            label=f"staging/{name}",
        )
    finally:
        for table in scratch:
            warehouse.drop(table)
    logger.info("%s: staged %s in %.1f s, left out %s", target, stats.rows, stats.seconds, drops or "nothing")
    return drops


def staging_parameters(week: WeekTables, settings: Settings) -> dict[str, object]:
    """Values of the `@name` parameters of sql/staging, by name."""
    start = settings.sources.event_stream_start
    letters = settings.eligibility.variant_suffixes.upper()
    return {
        "as_of": week.moment,
        "stream_start": WeekTables(start).moment,
        "min_year": settings.sources.min_year,
        "max_year": settings.sources.max_year,
        "event_names": list(EVENT_NAMES),
        # Without letters nothing is a variant: a pattern that never matches.
        "variant_pattern": rf"(\d)[{re.escape(letters)}]$" if letters else r"(\d)[^\s\S]$",
    }


def _scratch(target: TableName, what: str) -> TableName:
    return TableName(target.dataset, f"scratch_{target.table}_{what}")


def _source_tables(warehouse: Warehouse, name: str, settings: Settings) -> dict[str, TableName]:
    """Placeholders `source_<key>` of one contract table."""
    try:
        return require_sources(warehouse, RECIPES[name].sources, settings)
    except ContractError as error:
        raise ContractError(f"cannot stage {name}:\n  {error}") from error


def require_sources(warehouse: Warehouse, keys: tuple[str, ...], settings: Settings) -> dict[str, TableName]:
    """Source tables by placeholder `source_<key>`, each with the columns that staging reads.

    Raises:
        ContractError: tables or columns are missing or of another type; names them all.
    """
    found: dict[str, TableName] = {}
    wrong: list[str] = []
    for key in keys:
        table = TableName(settings.warehouse.source_dataset, getattr(settings.sources, key))
        found[f"source_{key}"] = table
        if not warehouse.exists(table):
            wrong.append(f"source table {table} does not exist: load it, or set sources.{key} to its name")
            continue
        types = {column.lower(): kind.lower() for column, kind in warehouse.columns(table).items()}
        for column, fields in SOURCE_COLUMNS[key].items():
            if column.lower() not in types:
                wrong.append(f"source table {table} has no column {column}: add it to the export (a view will do)")
                continue
            if fields[0].isupper():
                if types[column.lower()].upper() not in fields:
                    wrong.append(
                        f"source table {table}, column {column} is {types[column.lower()].upper()}: it must be "
                        f"{' or '.join(fields)}; cast it in the export (a view will do)"
                    )
                continue
            lacking = [f for f in fields if not re.search(rf"\b{f}\b", types[column.lower()])]
            if lacking:
                wrong.append(
                    f"source table {table}, column {column} is {types[column.lower()]}: it must be an array of structs "
                    f"that has {', '.join(lacking)}"
                )
    if wrong:
        raise ContractError("\n  ".join(wrong))
    return found


def _parent_tables(warehouse: Warehouse, name: str, week: WeekTables, raw: bool) -> dict[str, TableName]:
    foreign = tuple(key.table for key in CONTRACTS[name].foreign_keys)
    parents = {parent: week.table(parent) for parent in (RECIPES[name].parents if raw else foreign)}
    missing = [parent for parent, table in parents.items() if not warehouse.exists(table)]
    if missing:
        raise ContractError(
            f"cannot stage {name} of the week to {week.as_of}: {', '.join(str(parents[m]) for m in missing)} "
            f"missing; stage {', '.join(missing)} first"
        )
    return parents


def _count_drops(warehouse: Warehouse, name: str, candidates: TableName) -> list[Drops]:
    counted = warehouse.query(
        "SELECT drop_reason AS reason, SUM(n_rows) AS n_rows FROM {candidates} "
        "WHERE drop_reason IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1",
        tables={"candidates": candidates},
        label=f"staging/{name} drops",
    )
    return [Drops(name, row["reason"], int(row["n_rows"])) for row in counted.to_pylist()]
