"""The contract tables: what every other part of the system sees of a store.

What belongs here: columns, types, keys, foreign keys, value rules; the check that a frame keeps them.
What does not: how raw tables become contract tables (sql/staging), or how they are stored (io).
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from gnn_core.errors import ContractError

TIMESTAMP = pa.timestamp("us", tz="UTC")
EVENT_TYPES = ("view", "cart", "order")
"""In order of strength; the position is the code used in integer-coded arrays."""


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, whether null is allowed, and an optional closed set of values."""

    name: str
    type: pa.DataType
    nullable: bool = False
    allowed: tuple[str, ...] = ()
    minimum: float | None = None


@dataclass(frozen=True)
class ForeignKey:
    """Every value of `column` must occur in `table.references`."""

    column: str
    table: str
    references: str


@dataclass(frozen=True)
class TableContract:
    """Schema, primary key and foreign keys of one table."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    time_column: str | None = None
    description: str = field(default="", compare=False)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema with this table's column order."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    @property
    def column_names(self) -> list[str]:
        """Column names in contract order."""
        return [c.name for c in self.columns]


_S = pa.string()
CONTRACTS: dict[str, TableContract] = {
    c.name: c
    for c in (
        TableContract(
            "users",
            (Column("user_id", _S), Column("email_consent", pa.bool_()), Column("registered_at", TIMESTAMP, True)),
            key=("user_id",),
            description="Users with at least one valid vehicle, one row each.",
        ),
        TableContract(
            "vehicles",
            (
                Column("vehicle_id", _S),
                Column("year", pa.int64(), minimum=1886),
                Column("make", _S),
                Column("model", _S),
                Column("segment_id", _S),
            ),
            key=("vehicle_id",),
            description="One row a year/make/model; segment_id is make/model, the vehicle node of the graph.",
        ),
        TableContract(
            "ownership",
            (Column("user_id", _S), Column("vehicle_id", _S)),
            key=("user_id", "vehicle_id"),
            foreign_keys=(
                ForeignKey("user_id", "users", "user_id"),
                ForeignKey("vehicle_id", "vehicles", "vehicle_id"),
            ),
            description="Which user owns which vehicle; a user may own several.",
        ),
        TableContract(
            "products",
            (
                Column("product_id", _S),
                Column("name", _S),
                Column("part_type", _S),
                Column("price", pa.float64(), True, minimum=0.0),
                Column("is_universal", pa.bool_()),
                Column("is_refurbished", pa.bool_()),
                Column("image_url", _S, True),
                Column("product_url", _S, True),
                Column("base_product_id", _S),
            ),
            key=("product_id",),
            description="The catalogue; price in USD, null where no event ever showed one (never eligible then).",
        ),
        TableContract(
            "fitment",
            (Column("product_id", _S), Column("vehicle_id", _S)),
            key=("product_id", "vehicle_id"),
            foreign_keys=(
                ForeignKey("product_id", "products", "product_id"),
                ForeignKey("vehicle_id", "vehicles", "vehicle_id"),
            ),
            description="Which product fits which year/make/model. What is published must stand here.",
        ),
        TableContract(
            "events",
            (
                Column("user_id", _S),
                Column("product_id", _S),
                Column("event_type", _S, allowed=EVENT_TYPES),
                Column("event_ts", TIMESTAMP),
                Column("order_id", _S, True),
                Column("quantity", pa.int64(), minimum=1),
                Column("price", pa.float64(), True, minimum=0.0),
            ),
            foreign_keys=(
                ForeignKey("user_id", "users", "user_id"),
                ForeignKey("product_id", "products", "product_id"),
            ),
            time_column="event_ts",
            description="Views, carts and orders, historical orders included; a row a user, product, kind, moment.",
        ),
        TableContract(
            "sends",
            (
                Column("tracking_id", _S),
                Column("user_id", _S),
                Column("arm", _S),
                Column("sent_ts", TIMESTAMP),
                Column("run_id", _S, True),
            ),
            key=("tracking_id",),
            time_column="sent_ts",
            description="E-mails sent; user_id may be a user without a vehicle, so it is no foreign key.",
        ),
        TableContract(
            "engagements",
            (
                Column("tracking_id", _S),
                Column("kind", _S, allowed=("open", "click")),
                Column("engaged_ts", TIMESTAMP),
            ),
            time_column="engaged_ts",
            description="Opens and clicks of sent e-mails, as they arrive (late, repeated).",
        ),
    )
}
SNAPSHOT_TABLES = tuple(CONTRACTS)


def conform(name: str, table: pa.Table) -> pa.Table:
    """Bring a table into contract column order and types, or say which column stands in the way.

    Raises:
        ContractError: a column is missing, or its values do not convert to the declared type.
    """
    contract = CONTRACTS[name]
    missing = [c for c in contract.column_names if c not in table.column_names]
    if missing:
        raise ContractError(
            f"table {name}: column(s) {missing} missing; it has {table.column_names}. Correct the staging SQL."
        )
    columns = []
    for column in contract.columns:
        try:
            columns.append(table[column.name].cast(column.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ContractError(
                f"table {name}, column {column.name}: {table[column.name].type} does not convert to "
                f"{column.type}: {error}"
            ) from error
    return pa.table(columns, schema=contract.schema)


def violations(name: str, tables: Mapping[str, pd.DataFrame], *, as_of: pd.Timestamp | None = None) -> list[str]:
    """Every way in which `tables[name]` breaks its contract, each with a count and up to three examples.

    Args:
        name: contract table to check.
        tables: frames by name; those that foreign keys refer to must be present.
        as_of: exclusive upper bound of the time column, UTC.
    Returns:
        Sentences; empty when the contract holds.
    """
    contract, frame = CONTRACTS[name], tables[name]
    found: list[str] = []

    def report(rule: str, bad: pd.Series, columns: list[str]) -> None:
        if bad.any():
            examples = [_shown(row) for row in frame.loc[bad, columns].head(3).to_dict("records")]
            found.append(f"{name}: {int(bad.sum())} row(s) {rule}, such as {examples}")

    for column in contract.columns:
        if column.name not in frame.columns:
            found.append(f"{name}: column {column.name} is missing")
            continue
        values = frame[column.name]
        shown = list(dict.fromkeys([*contract.key, column.name]))
        if not column.nullable:
            report(f"with null {column.name}", values.isna(), shown)
        if column.allowed:
            report(f"with {column.name} not in {column.allowed}", values.notna() & ~values.isin(column.allowed), shown)
        if column.minimum is not None:
            report(f"with {column.name} < {column.minimum}", values < column.minimum, shown)
    if found and any("is missing" in f for f in found):
        return found
    if contract.key:
        report(
            f"with a repeated key {contract.key}", frame.duplicated(list(contract.key), keep=False), list(contract.key)
        )
    for fk in contract.foreign_keys:
        known = tables[fk.table][fk.references]
        report(f"whose {fk.column} is not in {fk.table}.{fk.references}", ~frame[fk.column].isin(known), [fk.column])
    if as_of is not None and contract.time_column:
        late = frame[contract.time_column] >= as_of
        report(f"with {contract.time_column} at or after the as-of date {as_of:%Y-%m-%d}", late, [contract.time_column])
    return found


PERSONAL = ("user_id", "tracking_id", "order_id")
"""Columns whose values lead to a person: shown by the first 12 hex digits of their SHA-256, as in the audit."""


def _shown(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """An example row for messages, which end up in logs and alerts."""
    return {
        str(name): hashlib.sha256(value.encode()).hexdigest()[:12]
        if name in PERSONAL and isinstance(value, str)
        else value
        for name, value in row.items()
    }


def require(tables: Mapping[str, pd.DataFrame], *, as_of: pd.Timestamp | None = None) -> None:
    """Raise one ContractError that lists every violation of every table given."""
    found = [v for name in tables if name in CONTRACTS for v in violations(name, tables, as_of=as_of)]
    if found:
        raise ContractError("contract broken:\n  " + "\n  ".join(found))
