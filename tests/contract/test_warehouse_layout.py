"""Empty tables, layouts, deletes and estimates mean the same on every engine, as far as an engine has them."""

import datetime as dt

import pyarrow as pa
import pytest

from gnn_core.config.tables import PLAIN, TableLayout
from gnn_core.errors import TableNotFoundError, WarehouseError
from gnn_core.io.warehouse import TableName

T = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
SCHEMA = pa.schema(
    [pa.field("id", pa.string()), pa.field("at", pa.timestamp("us", tz="UTC")), pa.field("v", pa.list_(pa.float64()))]
)
LAYOUT = TableLayout("MONTH(at)", ("id",))


def rows(*ids):
    return pa.table([pa.array(list(ids)), pa.array([T] * len(ids)), pa.array([[1.0, -0.5]] * len(ids))], schema=SCHEMA)


def as_the_engine_has_it(warehouse, layout):
    return layout if warehouse.engine == "bigquery" else PLAIN


def test_an_empty_table_has_its_columns_and_layout_and_takes_rows(any_warehouse, dataset):
    table = TableName(dataset, "t")
    any_warehouse.create_table(table, SCHEMA, layout=LAYOUT)
    assert any_warehouse.row_count(table) == 0
    assert any_warehouse.columns(table) == {"id": "STRING", "at": "TIMESTAMP", "v": "ARRAY<FLOAT64>"}
    assert any_warehouse.layout_of(table) == as_the_engine_has_it(any_warehouse, LAYOUT)
    any_warehouse.load(table, rows("a", "b"), replace=False)
    assert any_warehouse.read(table).sort_by("id").to_pydict()["v"] == [[1.0, -0.5]] * 2
    assert any_warehouse.layout_of(table) == as_the_engine_has_it(any_warehouse, LAYOUT)


def test_creating_an_existing_table_leaves_it_as_it_is(any_warehouse, dataset):
    table = TableName(dataset, "t")
    any_warehouse.load(table, pa.table({"other": [1, 2]}))
    any_warehouse.create_table(table, SCHEMA, layout=LAYOUT)
    assert any_warehouse.columns(table) == {"other": "INT64"}
    assert any_warehouse.row_count(table) == 2


def test_a_load_that_makes_a_table_lays_it_out_and_a_query_may_be_told_to(any_warehouse, dataset):
    """The emulator takes the layout of a load and of a query and forgets both: what it is asked for is looked at in
    tests/core/io. Here rows arrive."""
    loaded, made = TableName(dataset, "loaded"), TableName(dataset, "made")
    any_warehouse.load(loaded, rows("a"), layout=LAYOUT)
    assert any_warehouse.row_count(loaded) == 1
    any_warehouse.create_table_as(made, "SELECT * FROM {t}", tables={"t": loaded}, layout=LAYOUT)
    assert any_warehouse.row_count(made) == 1


def test_a_move_keeps_the_rows_of_a_laid_out_table(any_warehouse, dataset):
    source, target = TableName(dataset, "source"), TableName(dataset, "target")
    any_warehouse.load(source, rows("a", "b"), layout=LAYOUT)
    any_warehouse.move(source, target)
    assert sorted(any_warehouse.read(target)["id"].to_pylist()) == ["a", "b"]


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        pytest.param(TableLayout(None, ("nobody",)), "its layout names nobody", id="no such column"),
        pytest.param(TableLayout("DAY(id)"), "id, a STRING: only TIMESTAMP", id="partition of a text"),
    ],
)
def test_a_layout_that_does_not_suit_the_table_is_refused(any_warehouse, dataset, layout, says):
    table = TableName(dataset, "t")
    with pytest.raises(WarehouseError, match=says):
        any_warehouse.create_table(table, SCHEMA, layout=layout)
    with pytest.raises(WarehouseError, match=says):
        any_warehouse.load(table, rows("a"), layout=layout)
    assert not any_warehouse.exists(table)


def test_a_table_that_is_not_there_has_no_layout(any_warehouse, dataset):
    with pytest.raises(TableNotFoundError):
        any_warehouse.layout_of(TableName(dataset, "nowhere"))


def test_delete_except_keeps_what_is_named(any_warehouse, dataset):
    table = TableName(dataset, "t")
    any_warehouse.load(table, rows("a", "b", "c", "b"))
    any_warehouse.delete_except(table, "id", ["b", "not there"])
    assert any_warehouse.read(table)["id"].to_pylist() == ["b", "b"]
    with pytest.raises(WarehouseError, match="nothing to keep"):
        any_warehouse.delete_except(table, "id", [])
    assert any_warehouse.row_count(table) == 2


def test_datasets_are_known_by_name(any_warehouse, dataset):
    assert any_warehouse.has_dataset(dataset)
    assert not any_warehouse.has_dataset(f"{dataset}_not_there")


def test_an_estimate_runs_nothing_and_finds_what_is_wrong(any_warehouse, dataset):
    """The bytes themselves are not asked for here: the emulator answers 0 to every dry run."""
    table = TableName(dataset, "t")
    any_warehouse.load(table, rows("a"))
    assert any_warehouse.estimate("SELECT id FROM {t} WHERE id = @a", tables={"t": table}, parameters={"a": "a"}) >= 0
    with pytest.raises(WarehouseError):
        any_warehouse.estimate("SELECT no_such_column FROM {t}", tables={"t": table})
