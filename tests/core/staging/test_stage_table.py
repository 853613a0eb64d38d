"""What staging refuses, what it leaves alone, and what must not change its answer."""

from dataclasses import replace

import pyarrow as pa
import pytest

from gnn_core.contracts import CONTRACTS
from gnn_core.errors import ContractError
from gnn_core.io.warehouse import TableName
from gnn_core.stores import WeekTables, stage_table
from gnn_core.stores.staging import staging_parameters
from tests.core.staging.raw_store import (
    AS_OF,
    SETTINGS,
    WARTS,
    WEEK,
    at,
    attributes,
    event,
    fits,
    load_raw,
    rows_of,
    stage_all,
)

SOURCES_OF = {
    "users": "user_attributes",
    "vehicles": "vehicle_fitment",
    "ownership": "user_attributes",
    "products": "product_catalogue",
    "fitment": "vehicle_fitment",
    "events": "historical_orders",
    "sends": "treatment_sends",
    "engagements": "treatment_engagements",
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_missing_source_table_is_named_and_nothing_is_written(warehouse, name):
    load_raw(warehouse, {})
    warehouse.drop(TableName("source", SOURCES_OF[name]))
    with pytest.raises(ContractError, match=rf"cannot stage {name}:\n.*source\.{SOURCES_OF[name]} does not exist"):
        stage_table(warehouse, name, WEEK, SETTINGS)
    assert warehouse.list_tables("work") == []


def test_a_missing_column_and_a_plain_one_are_named_together(warehouse):
    load_raw(warehouse, {})
    rows = pa.table({"user_id": ["u1"], "user_properties": ["email=ann@x.com"]})
    warehouse.load(TableName("source", "user_attributes"), rows)
    with pytest.raises(ContractError) as error:
        stage_table(warehouse, "users", WEEK, SETTINGS)
    assert "source.user_attributes has no column update_timestamp" in str(error.value)
    assert "column user_properties is string: it must be an array of structs" in str(error.value)
    assert "property_name, string_value, long_value, double_value" in str(error.value)


@pytest.mark.parametrize(
    ("source", "column", "values", "name", "complaint"),
    [
        pytest.param(
            "events",
            "client_event_timestamp",
            pa.array(["2026-01-01"]),
            "events",
            "is STRING: it must be TIMESTAMP; cast it in the export",
            id="a time as text",
        ),
        # Would be compared with texts, and match nobody: a store without events, and no error.
        pytest.param(
            "events", "user_id", pa.array([7]), "events", "is INT64: it must be STRING", id="a user as number"
        ),
        pytest.param(
            "product_catalogue",
            "PartNumber",
            pa.array([7]),
            "products",
            "is INT64: it must be STRING",
            id="a part number",
        ),
        pytest.param(
            "historical_orders",
            "ORDER_DATE",
            pa.array([at("2025-01-01").date()]),
            "events",
            "is DATE: it must be STRING",
            id="a date that is one already",
        ),
        pytest.param(
            "vehicle_fitment",
            "v1_year",
            pa.array([2018.0]),
            "vehicles",
            "is FLOAT64: it must be STRING or INT64",
            id="a year as a fraction",
        ),
    ],
)
def test_a_column_of_another_type_is_named_with_the_type_it_should_have(
    warehouse, source, column, values, name, complaint
):
    load_raw(warehouse, WARTS)
    stage_all(warehouse)
    table = TableName("source", source)
    row = warehouse.read(table).slice(0, 1)
    warehouse.load(table, row.set_column(row.column_names.index(column), column, values))
    before = rows_of(warehouse, name)
    with pytest.raises(ContractError, match=rf"source\.{source}, column {column} {complaint}"):
        stage_table(warehouse, name, WEEK, SETTINGS)
    assert rows_of(warehouse, name) == before
    assert not warehouse.list_tables("work", "scratch")


def test_a_parent_table_must_be_staged_first(warehouse):
    load_raw(warehouse, WARTS)
    with pytest.raises(ContractError, match=r"cannot stage events .* stage users, products first"):
        stage_table(warehouse, "events", WEEK, SETTINGS)


def test_an_unknown_table_is_refused(warehouse):
    with pytest.raises(ContractError, match="'orders' is no contract table"):
        stage_table(warehouse, "orders", WEEK, SETTINGS)


def test_names_of_the_sources_come_from_the_settings(warehouse):
    load_raw(warehouse, WARTS)
    warehouse.move(TableName("source", "treatment_sends"), TableName("source", "mails"))
    warehouse.drop(TableName("source", "treatment_sends"))
    settings = replace(SETTINGS, sources=replace(SETTINGS.sources, sends="mails"))
    stage_table(warehouse, "sends", WEEK, settings)
    assert len(rows_of(warehouse, "sends")) == 2


def test_empty_sources_give_empty_tables_of_the_right_types(warehouse):
    load_raw(warehouse, {})
    drops = stage_all(warehouse)
    assert drops == {name: [] for name in CONTRACTS}
    for name, contract in CONTRACTS.items():
        table = warehouse.read(WEEK.table(name))
        assert table.num_rows == 0
        assert table.schema.types == contract.schema.types


def test_what_happens_at_or_after_the_as_of_date_changes_no_row(warehouse, staged):
    """The same store with a busy future: every table of the week is the same."""
    future = {
        "user_attributes": [
            attributes("u1", "2026-06-01", v1_year="1970", email_consent="false", email="new@x.com"),
            attributes("u99", "2026-07-01", v1_year="2018", v1_make="Ford", v1_model="Mustang"),
        ],
        "events": [
            event("u1", "Viewed Product", "2026-06-02", ProductId="UNI-4", Price=1.0, ImageURL="https://late/x.jpg"),
            event("u7", "Placed Order", "2026-06-01", OrderId="A1", Items_0__ProductId="ABC-1"),
        ],
        "treatment_sends": [("t9", "u1", "sql", at("2026-06-03"))],
        "treatment_engagements": [("t1", "CLICKED", at("2026-06-03"))],
    }
    load_raw(warehouse, {name: [*rows, *future.get(name, ())] for name, rows in WARTS.items()})
    stage_all(warehouse)
    for name in CONTRACTS:
        assert rows_of(warehouse, name) == rows_of(staged[0], name)


def test_an_earlier_week_knows_less(warehouse):
    load_raw(warehouse, WARTS)
    week = WeekTables(at("2026-01-12").date())
    stage_all(warehouse, week=week)
    prices = dict(rows_of(warehouse, "products", "product_id", "price", week=week))
    assert prices["ABC-1"] == 1099.5
    assert {ts for (ts,) in rows_of(warehouse, "events", "event_ts", week=week)} <= {
        at("2025-01-10"),
        at("2025-08-15"),
        at("2025-08-31"),
        at("2026-01-01"),
    }


def test_staging_twice_gives_the_same_table(warehouse, staged):
    load_raw(warehouse, {name: rows[::-1] for name, rows in WARTS.items()})
    stage_all(warehouse)
    stage_all(warehouse)
    for name in CONTRACTS:
        assert rows_of(warehouse, name) == rows_of(staged[0], name), "the order of source rows must not matter"


def test_ownership_of_a_user_that_is_no_longer_staged_is_left_out(warehouse):
    load_raw(warehouse, WARTS)
    stage_table(warehouse, "users", WEEK, SETTINGS)
    users = warehouse.read(WEEK.table("users"))
    warehouse.load(WEEK.table("users"), users.filter([user != "u2" for user in users["user_id"].to_pylist()]))
    drops = {d.reason: d.rows for d in stage_table(warehouse, "ownership", WEEK, SETTINGS)}
    assert drops["unknown user"] == 2
    assert "u2" not in {user for (user,) in rows_of(warehouse, "ownership", "user_id")}


def test_integer_years_of_the_fitment_table_are_read(warehouse):
    load_raw(warehouse, WARTS)
    name = TableName("source", "vehicle_fitment")
    as_text = warehouse.read(name).slice(0, 3)
    years = pa.array([2018, 2015, 1899])
    warehouse.load(name, as_text.set_column(0, "v1_year", years))
    drops = stage_table(warehouse, "vehicles", WEEK, SETTINGS)
    assert "2018|ford|mustang" in {vehicle for (vehicle,) in rows_of(warehouse, "vehicles", "vehicle_id")}
    assert {d.reason: d.rows for d in drops}["fitment row: year is no model year"] == 1


@pytest.mark.parametrize(
    ("letters", "bases"),
    [
        pytest.param(
            "BRGP",
            {"12-34B": "12-34", "12-34GB": "12-34GB", "12-34X": "12-34X", "B": "B", "12B-34": "12B-34"},
            id="a colour letter counts at the end, after a digit",
        ),
        pytest.param("brgp", {"12-34p": "12-34"}, id="in any case"),
        pytest.param("", {"12-34B": "12-34B"}, id="no letters, no variants"),
    ],
)
def test_a_variant_shares_the_base_product_of_its_plain_sku(warehouse, letters, bases):
    load_raw(warehouse, {"product_catalogue": [(sku, "Carburetor", None) for sku in bases]})
    settings = replace(SETTINGS, eligibility=replace(SETTINGS.eligibility, variant_suffixes=letters))
    stage_table(warehouse, "products", WEEK, settings)
    wanted = {sku.upper(): base for sku, base in bases.items()}
    assert dict(rows_of(warehouse, "products", "product_id", "base_product_id")) == wanted


def test_one_make_and_model_is_one_segment_however_it_is_written(warehouse):
    table = [fits("2018", " Land\tRover ", "Range  Rover"), fits("2018.0", "LAND ROVER", "range rover")]
    load_raw(warehouse, {"vehicle_fitment": [*table, fits("2018", "a|b", "c")]})
    stage_table(warehouse, "vehicles", WEEK, SETTINGS)
    assert rows_of(warehouse, "vehicles", "vehicle_id", "segment_id") == [
        ("2018|a b|c", "a b|c"),
        ("2018|land rover|range rover", "land rover|range rover"),
    ]


def test_parameters_are_the_settings_at_midnight_utc():
    values = staging_parameters(WeekTables(AS_OF), SETTINGS)
    assert values["as_of"] == at("2026-06-01")
    assert values["stream_start"] == at("2025-09-01")
    assert (values["min_year"], values["max_year"]) == (1900, 2027)
