"""Stores of contract tables: copied up to the as-of date, refused where they break the contract."""

import pyarrow as pa
import pytest

from gnn_core.contracts import CONTRACTS
from gnn_core.errors import ContractError
from gnn_core.io.warehouse import TableName
from gnn_core.stores import stage_table
from tests.core.builders import make_tables
from tests.core.staging.raw_store import CONTRACT_STORE, WEEK, at, rows_of, stage_all

CAR = "2018|ford|mustang"


def load_contract(warehouse, **change):
    """A store of two users and one product; `change` edits a frame in place of the original."""
    tables = make_tables(
        owns={"u1": [CAR], "u2": [CAR]},
        fits={"P1": [CAR]},
        events=[
            ("u1", "P1", "view", "2026-05-01"),
            ("u1", "P1", "order", "2026-05-31", "o1"),
            ("u1", "P1", "order", "2026-06-01", "o2"),
        ],
    )
    for name, edit in change.items():
        tables[name] = edit(tables[name])
    warehouse.ensure_dataset("source")
    for name, frame in tables.items():
        rows = pa.Table.from_pandas(frame, schema=CONTRACTS[name].schema, preserve_index=False)
        warehouse.load(TableName("source", name), rows)
    return warehouse


def test_rows_are_copied_up_to_the_as_of_date_and_late_ones_counted(warehouse):
    drops = stage_all(load_contract(warehouse), CONTRACT_STORE)
    assert rows_of(warehouse, "events", "event_type", "event_ts", "order_id") == [
        ("order", at("2026-05-31"), "o1"),
        ("view", at("2026-05-01"), None),
    ]
    assert [(d.reason, d.rows) for d in drops["events"]] == [("at or after the as-of date", 1)]
    assert rows_of(warehouse, "products", "product_id", "price") == [("P1", 100.0)]
    assert all(warehouse.read(WEEK.table(n)).schema.types == c.schema.types for n, c in CONTRACTS.items())


def test_exact_repetitions_of_events_are_counted_and_kept_out(warehouse):
    load_contract(warehouse, events=lambda f: f.iloc[[0, 0, 0, 1]])
    drops = stage_all(warehouse, CONTRACT_STORE)
    assert [(d.reason, d.rows) for d in drops["events"]] == [("repeated row", 2)]
    assert len(rows_of(warehouse, "events")) == 2


@pytest.mark.parametrize(
    ("table", "edit", "complaint"),
    [
        pytest.param(
            "events",
            lambda f: f.assign(user_id="ghost"),
            r"2 row\(s\) whose user_id is not in users.user_id, such as .*ead6ef03d61e",
            id="event of an unknown user, shown by the hash of its id",
        ),
        pytest.param("products", lambda f: f.assign(price=-1.0), r"1 row\(s\) with price < 0", id="negative price"),
        pytest.param("users", lambda f: f.iloc[[0, 0, 1]], r"2 row\(s\) with a repeated key", id="repeated user"),
        pytest.param(
            "fitment", lambda f: f.assign(product_id="P9"), "whose product_id is not in products", id="unknown product"
        ),
        pytest.param("events", lambda f: f.assign(event_type="buy"), "event_type not in", id="unknown kind"),
    ],
)
def test_what_the_contract_calls_an_error_stops_staging(warehouse, table, edit, complaint):
    load_contract(warehouse, **{table: edit})
    with pytest.raises(ContractError, match=complaint):
        stage_all(warehouse, CONTRACT_STORE)
    assert not warehouse.exists(WEEK.table(table))
    assert not [name for name in warehouse.list_tables("work") if name.startswith("scratch")]


def test_a_table_or_column_that_is_missing_is_named(warehouse):
    load_contract(warehouse)
    warehouse.drop(TableName("source", "users"))
    with pytest.raises(ContractError, match=r"source\.users does not exist; store\.tables is `contract`"):
        stage_table(warehouse, "users", WEEK, CONTRACT_STORE)
    warehouse.load(TableName("source", "users"), pa.table({"user_id": ["u1"]}))
    with pytest.raises(ContractError, match=r"source\.users has no column email_consent, registered_at"):
        stage_table(warehouse, "users", WEEK, CONTRACT_STORE)


def test_a_column_of_another_type_is_named_rather_than_cast(warehouse):
    """2.5 items would become 2, and one price that is no number would stop the copy without naming its column."""
    load_contract(warehouse)
    stage_all(warehouse, CONTRACT_STORE)
    name = TableName("source", "events")
    events = warehouse.read(name)
    for column, values in (("quantity", [2.5] * len(events)), ("price", ["100 USD"] * len(events))):
        warehouse.load(name, events.set_column(events.column_names.index(column), column, pa.array(values)))
        with pytest.raises(ContractError, match=rf"cannot stage events: in source table source\.events, {column} is"):
            stage_table(warehouse, "events", WEEK, CONTRACT_STORE)
    products = warehouse.read(TableName("source", "products"))
    whole = products.set_column(products.column_names.index("price"), "price", pa.array([100]))
    warehouse.load(TableName("source", "products"), whole)
    stage_table(warehouse, "products", WEEK, CONTRACT_STORE)
    assert rows_of(warehouse, "products", "price") == [(100.0,)]


def test_parents_come_first(warehouse):
    load_contract(warehouse)
    with pytest.raises(ContractError, match="stage users, vehicles first"):
        stage_table(warehouse, "ownership", WEEK, CONTRACT_STORE)
