"""A raw store of a few rows that has every wart that source tables are known to have, and ways to load raw tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from gnn_core.config import Settings, load_settings
from gnn_core.contracts import CONTRACTS, TIMESTAMP
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.stores import Drops, WeekTables, stage_table

AS_OF = dt.date(2026, 6, 1)
WEEK = WeekTables(AS_OF)
CONFIG = Path(__file__).parents[3] / "configs" / "gnn_config.yaml"
SETTINGS: Settings = load_settings(CONFIG)
CONTRACT_STORE = replace(SETTINGS, store=replace(SETTINGS.store, tables="contract"))

_S = pa.string()
_PROPERTIES = pa.list_(
    pa.struct([("property_name", _S), ("string_value", _S), ("long_value", pa.int64()), ("double_value", pa.float64())])
)
SCHEMAS = {
    "user_attributes": pa.schema([("user_id", _S), ("update_timestamp", TIMESTAMP), ("user_properties", _PROPERTIES)]),
    "events": pa.schema(
        [
            ("user_id", _S),
            ("event_name", _S),
            ("client_event_timestamp", TIMESTAMP),
            ("event_properties", _PROPERTIES),
        ]
    ),
    "historical_orders": pa.schema([("ITEM", _S), ("SHIP_TO_EMAIL", _S), ("ORDER_DATE", _S)]),
    "vehicle_fitment": pa.schema(
        [
            ("v1_year", _S),
            ("v1_make", _S),
            ("v1_model", _S),
            ("products", pa.list_(pa.struct([("product_number", _S)]))),
        ]
    ),
    "product_catalogue": pa.schema([("PartNumber", _S), ("PartType", _S), ("Tags", _S)]),
    "treatment_sends": pa.schema(
        [("treatment_tracking_id", _S), ("user_id", _S), ("arm_id", _S), ("treatment_sent_timestamp", TIMESTAMP)]
    ),
    "treatment_engagements": pa.schema(
        [("treatment_tracking_id", _S), ("interaction_type", _S), ("interaction_timestamp", TIMESTAMP)]
    ),
}


def at(text: str) -> dt.datetime:
    """`2026-01-05` or `2026-01-05 10:00`, UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def properties(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Texts go to string_value, integers to long_value, floats to double_value, None to none of them."""
    return [
        {
            "property_name": name,
            "string_value": value if isinstance(value, str) else None,
            "long_value": value if isinstance(value, int) else None,
            "double_value": value if isinstance(value, float) else None,
        }
        for name, value in values.items()
    ]


def attributes(user: str | None, when: str, **values: Any) -> tuple:
    """One row of user attributes."""
    return (user, at(when), properties(values))


def event(user: str | None, name: str | None, when: str | None, **values: Any) -> tuple:
    """One row of the event stream; `Items_0__ProductId` stands for the property `Items_0.ProductId`."""
    named = {key.replace("__", "."): value for key, value in values.items()}
    return (user, name, at(when) if when else None, properties(named))


def fits(year: str | None, make: str | None, model: str | None, *skus: str | None) -> tuple:
    """One row of the fitment table."""
    return (year, make, model, [{"product_number": sku} for sku in skus])


WARTS: dict[str, list[tuple]] = {
    "user_attributes": [
        # The latest year is the smaller one, and text after a number; make and model stay from the older row.
        attributes(
            "u1",
            "2025-01-05",
            email="Ann@X.com",
            email_consent="true",
            v1_year=2018,
            v1_make="Ford",
            v1_model="Mustang",
        ),
        attributes("u1", "2025-03-01", v1_year="2015"),
        attributes("u2", "2025-02-01", email=" bob@x.com", email_consent=1, v1_year=1967.0, v1_make=" Ford "),
        attributes("u2", "2025-02-02", v1_model="  Mustang   GT", v2_year="2018", v2_make="FORD", v2_model="Mustang"),
        attributes("u3", "2025-01-01", v1_year="NONE", v1_make="Ford", v1_model="Mustang"),
        attributes("u4", "2025-01-01", v1_year="0", v1_make="Ford", v1_model="Mustang"),
        attributes("u4", "2025-01-02", v2_year=1066, v2_make="Ford", v2_model="Mustang"),
        # Owned a car until it was taken out.
        attributes("u5", "2025-01-01", v1_year="2018", v1_make="Ford", v1_model="Mustang"),
        attributes("u5", "2025-01-02", v1_year="NONE"),
        attributes("u6", "2026-06-01", v1_year="2018", v1_make="Ford", v1_model="Mustang"),
        attributes("u7", "2025-01-01", v1_year="2018", v1_make="Ford", v1_model="Mustang", email_consent="false"),
        attributes("u7", "2025-01-02", v2_year=2018, v2_make="ford", v2_model="mustang", v3_year=2020, v3_make=" "),
        attributes("u7", "2026-06-01", v1_year="1999", email_consent="true"),
        # No fitment row knows this car; its model is a number.
        attributes("u8", "2025-01-01", v5_year="2001", v5_make="Porsche", v5_model=911),
        attributes("u9", "2025-01-01", email="ann@x.com", v1_year="2018", v1_make="Ford", v1_model="Mustang"),
        attributes("", "2025-01-01", v1_year="2018", v1_make="Ford", v1_model="Mustang"),
        attributes(None, "2025-01-01", v1_year="2018"),
    ],
    "vehicle_fitment": [
        fits("2018", "Ford", "Mustang", "ABC-1", " abc-1 ", "ABC-1B", "NOPE-9"),
        fits(" 2015 ", "FORD", "mustang", "ABC-1", "DEF-2"),
        fits("1967", "Ford", "Mustang GT", "def-2"),
        fits("NONE", "Ford", "Mustang", "GHI-3"),
        fits("2018", "ford", "MUSTANG", "ABC-1"),
        fits("2019", "Ford", "Bronco"),
        fits("2018", " ", "Mustang", "ABC-1"),
        fits("2018", "Ford", "Mustang", " ", None),
    ],
    "product_catalogue": [
        (" abc-1 ", " Carburetor ", "new"),
        ("ABC-1B", "Carburetor", None),
        ("DEF-2", "Wheel  Set", "x"),
        ("def-2", "", "last;REFURBISHED"),
        ("GHI-3", "  ", None),
        ("UNI-4", "T-Shirt", "gift"),
        ("ABC", "unknown", None),
        (" ", "Carburetor", None),
    ],
    "events": [
        event("u1", "Viewed Product", "2026-01-01", ProductId="abc-1", Price="$1,099.50", ImageURL="//cdn.x/a.jpg"),
        event("u1", "Viewed Product", "2026-01-01", ProductId="abc-1", Price="$1,099.50", ImageURL="//cdn.x/a.jpg"),
        event("u2", "viewed product", "2026-01-15", ProductID=" ABC-1 ", Price=80, ProductURL="http://x/abc-1"),
        event("u1", "VIEWED PRODUCT", "2026-02-01", ProductId="ABC-1", Price=0.0, ImageURL="http://cdn.x/b.jpg"),
        event("u2", "Viewed Product", "2026-02-02", ProductId="DEF-2", Price=-5.0, ImageURL="ftp://cdn.x/c.jpg"),
        event("u2", "Viewed Product", "2026-06-01", ProductId="ABC-1", Price=999.0, ImageURL="//cdn.x/late.jpg"),
        event("u7", "Viewed Product", "2026-02-03", ProductId="ABC-1"),
        event("u7", "Viewed Product", "2026-02-03", ProductId="DEF-2"),
        event("u1", "Viewed Product", "2025-08-15", ProductId="ABC-1"),
        event("ghost", "Viewed Product", "2026-02-03", ProductId="ABC-1"),
        event("u3", "Viewed Product", "2026-02-03", ProductId="ABC-1"),
        event("u1", "Viewed Product", "2026-02-03", ProductId="ZZZ"),
        event("u1", "Viewed Product", "2026-02-04", Price=3.0),
        event("u1", "Viewed Product", "2026-02-05"),
        event("u1", "Opened App", "2026-02-03", ProductId="ABC-1"),
        event("u1", None, "2026-02-03", ProductId="ABC-1"),
        event("u1", "Viewed Product", None, ProductId="ABC-1"),
        event(
            "u2",
            "CART update",
            "2026-02-10",
            Items_0__ProductID="def-2",
            Items_0__ItemPrice=75,
            Items_0__Quantity="2",
            Items_1__ProductId="ABC-1B",
            Items_2__ProductId="UNI-4",
            Items_2__Quantity=0,
        ),
        # One order, reported by three names over two days, and once without its number.
        event(
            "u2",
            "Placed Order",
            "2026-03-01 10:00",
            OrderId="#a1",
            Items_0__ProductId="ABC-1",
            Items_0__Quantity=3,
            Items_0__ItemPrice=90.0,
            Items_10__ProductId="DEF-2",
        ),
        event("u2", "Ordered Product", "2026-03-01 10:01", OrderID="A1", ProductId="ABC-1"),
        event("u2", "Consumer Website Order", "2026-03-02 07:00", OrderId="A1", SKUs_0="abc-1", SKUs_1="def-2"),
        event("u2", "ordered product", "2026-03-01 12:00", ProductId="ABC-1"),
        # Another order of the same day.
        event("u2", "Placed Order", "2026-03-01 18:00", OrderId=17, Items_0__ProductId="ABC-1"),
        # Neither report has a number: the day decides.
        event("u1", "Consumer Website Order", "2026-04-01 08:00", SKUs_0="UNI-4"),
        event("u1", "Placed Order", "2026-04-01 09:00", Items_0__ProductId="UNI-4"),
        event("u1", "Placed Order", "2025-08-15", OrderId="B1", Items_0__ProductId="ABC-1"),
    ],
    "historical_orders": [
        ("abc-1", "ANN@x.com ", "Friday, January 10, 2025"),
        ("ABC-1", "ann@X.com", "Friday, January 10, 2025"),
        ("def-2", "Bob@x.com", "Sunday, August 31, 2025"),
        ("def-2", "bob@x.com", "Monday, September 1, 2025"),
        ("abc-1", "bob@x.com", "soon"),
        ("abc-1", "bob@x.com", "Sunday, February 30, 2025"),
        ("abc-1", "bob@x.com", None),
        ("abc-1", "nobody@x.com", "Friday, January 10, 2025"),
        ("zzz", "bob@x.com", "Friday, January 10, 2025"),
        (None, "bob@x.com", "Friday, January 10, 2025"),
    ],
    "treatment_sends": [
        ("t1", "u1", "sql", at("2026-05-01")),
        ("t1", "u1", "hybrid", at("2026-05-02")),
        ("t2", "no vehicle", "sql", at("2026-05-01")),
        ("t3", "u1", "sql", at("2026-06-01")),
        ("t4", "u1", "sql", None),
        (" ", "u1", "sql", at("2026-05-01")),
        ("t5", None, "sql", at("2026-05-01")),
        ("t6", "u1", None, at("2026-05-01")),
    ],
    "treatment_engagements": [
        ("t1", "VIEWED", at("2026-05-02")),
        ("t1", "viewed", at("2026-05-02")),
        ("t1", "CLICKED", at("2026-05-02 01:00")),
        ("t1", "CLICKED", at("2026-05-03")),
        ("t1", "BOUNCED", at("2026-05-02")),
        ("t3", "CLICKED", at("2026-05-02")),
        ("t2", "CLICKED", at("2026-06-01")),
        ("t2", "CLICKED", None),
    ],
}


def load_raw(warehouse: Warehouse, tables: Mapping[str, Sequence[tuple]]) -> Warehouse:
    """Write raw tables into `source`; tables that are not given are empty."""
    warehouse.ensure_dataset("source")
    for name, schema in SCHEMAS.items():
        rows = [dict(zip(schema.names, row, strict=True)) for row in tables.get(name, ())]
        warehouse.load(TableName("source", name), pa.Table.from_pylist(rows, schema=schema))
    return warehouse


def stage_all(warehouse: Warehouse, settings: Settings = SETTINGS, week: WeekTables = WEEK) -> dict[str, list[Drops]]:
    """Every contract table of the week, in order."""
    return {name: stage_table(warehouse, name, week, settings) for name in CONTRACTS}


def rows_of(warehouse: Warehouse, name: str, *columns: str, week: WeekTables = WEEK) -> list[tuple]:
    """Rows of a staged table as tuples of `columns` (all when none is given), sorted."""
    table = warehouse.read(week.table(name))
    wanted = columns or tuple(CONTRACTS[name].column_names)
    return sorted(zip(*(table[c].to_pylist() for c in wanted), strict=True), key=repr)
