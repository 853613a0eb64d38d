"""Stores whose source tables are contract tables already: copied up to the as-of date, and held to the contract.

What belongs here: that copy and its check. What does not: raw tables of a retailer (staging.py).
"""

from __future__ import annotations

import pandas as pd

from gnn_core.config import Settings
from gnn_core.contracts import CONTRACTS, conform, violations
from gnn_core.errors import ContractError
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.stores.week import WeekTables

_SQL_TYPES = {
    "string": "STRING",
    "bool": "BOOL",
    "int64": "INT64",
    "double": "FLOAT64",
    "timestamp[us, tz=UTC]": "TIMESTAMP",
}
_TAKEN = {kind: (kind,) for kind in _SQL_TYPES.values()} | {"FLOAT64": ("FLOAT64", "INT64", "NUMERIC")}
"""What converts without a loss. A cast would also take 2.5 items for 2, or fail on one row and name none."""


def copy_candidates(
    warehouse: Warehouse, candidates: TableName, name: str, week: WeekTables, settings: Settings
) -> None:
    """Write the candidates of contract table `name` from `source.<name>`.

    Rows at or after the as-of date, and exact repetitions in tables without a key, are candidates with a `drop_reason`.

    Raises:
        ContractError: the source table or one of its columns is missing.
    """
    contract = CONTRACTS[name]
    source = TableName(settings.warehouse.source_dataset, name)
    if not warehouse.exists(source):
        raise ContractError(
            f"cannot stage {name}: source table {source} does not exist; store.tables is `contract`, so load it under "
            "this name, or set store.tables to raw"
        )
    have = {column.lower(): kind for column, kind in warehouse.columns(source).items()}
    missing = [c for c in contract.column_names if c.lower() not in have]
    if missing:
        raise ContractError(f"cannot stage {name}: source table {source} has no column {', '.join(missing)}; add it")
    wrong = [
        f"{c.name} is {have[c.name.lower()]}, not {_SQL_TYPES[str(c.type)]}"
        for c in contract.columns
        if have[c.name.lower()] not in _TAKEN[_SQL_TYPES[str(c.type)]]
    ]
    if wrong:
        raise ContractError(f"cannot stage {name}: in source table {source}, {'; '.join(wrong)}; load it as declared")
    columns = ", ".join(contract.column_names)
    typed = ", ".join(f"CAST({c.name} AS {_SQL_TYPES[str(c.type)]}) AS {c.name}" for c in contract.columns)
    late = (
        f"CASE WHEN {contract.time_column} >= @as_of THEN 'at or after the as-of date' END"
        if contract.time_column
        else "CAST(NULL AS STRING)"
    )
    repeated = (
        f"UNION ALL SELECT {columns}, 'repeated row', n_rows - 1 FROM counted WHERE drop_reason IS NULL AND n_rows > 1"
    )
    # Only column names of our own contracts are put into the text. A table with a key keeps its repetitions, so that
    # the contract check names them.
    count = "1" if contract.key else "COUNT(*)"
    group = "" if contract.key else f"GROUP BY {columns}, drop_reason"
    warehouse.create_table_as(
        candidates,
        f"""
        WITH typed AS (SELECT {typed} FROM {{source}}),
        judged AS (SELECT {columns}, {late} AS drop_reason FROM typed),
        counted AS (SELECT {columns}, drop_reason, {count} AS n_rows FROM judged {group})
        SELECT {columns}, drop_reason, n_rows FROM counted {"" if contract.key else repeated}
        """,
        parameters={"as_of": week.moment} if contract.time_column else {},
        tables={"source": source},
        label=f"contract copy of {name}",
    )


def check_contract(warehouse: Warehouse, candidates: TableName, name: str, week: WeekTables) -> None:
    """Raise ContractError with every way in which the kept candidates break the contract of `name`."""
    contract = CONTRACTS[name]
    rows = warehouse.query(
        f"SELECT {', '.join(contract.column_names)} FROM {{candidates}} WHERE drop_reason IS NULL",
        tables={"candidates": candidates},
        label=f"contract check of {name}",
    )
    frames: dict[str, pd.DataFrame] = {name: conform(name, rows).to_pandas()}
    for key in contract.foreign_keys:
        if key.table not in frames:
            frames[key.table] = warehouse.read(week.table(key.table), columns=[key.references]).to_pandas()
    broken = violations(name, frames, as_of=pd.Timestamp(week.moment))
    if broken:
        raise ContractError(
            f"source table {name} of a store with store.tables: contract breaks the contract:\n  " + "\n  ".join(broken)
        )
