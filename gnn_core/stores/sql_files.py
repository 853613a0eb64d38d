"""Running the files of gnn_core/sql with just the tables and parameters that each one names."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa

from gnn_core.config.tables import PLAIN, TableLayout
from gnn_core.io.sql import load_sql
from gnn_core.io.warehouse import JobStats, TableName, Warehouse


def run_file(
    warehouse: Warehouse,
    target: TableName,
    name: str,
    parameters: Mapping[str, object],
    tables: Mapping[str, TableName],
    layout: TableLayout = PLAIN,
) -> JobStats:
    """Write `target` from sql/<name>.sql."""
    sql, values, used = named(name, parameters, tables)
    return warehouse.create_table_as(target, sql, parameters=values, tables=used, layout=layout, label=name)


def query_file(
    warehouse: Warehouse, name: str, parameters: Mapping[str, object], tables: Mapping[str, TableName]
) -> pa.Table:
    """Rows of sql/<name>.sql."""
    sql, values, used = named(name, parameters, tables)
    return warehouse.query(sql, parameters=values, tables=used, label=name)


def named(
    name: str, parameters: Mapping[str, object], tables: Mapping[str, TableName]
) -> tuple[str, dict[str, object], dict[str, TableName]]:
    # A warehouse refuses what the text does not use, so that a forgotten filter shows; here one set serves many files.
    sql = load_sql(name)
    code = re.sub(r"--.*", "", sql)
    return (
        sql,
        {key: value for key, value in parameters.items() if re.search(rf"@{key}\b", code)},
        {key: table for key, table in tables.items() if f"{{{key}}}" in sql},
    )
