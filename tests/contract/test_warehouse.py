"""What every warehouse promises, on each engine: tables in, tables out, all or nothing."""

import datetime as dt

import pyarrow as pa
import pytest

from gnn_core.config.tables import TableLayout
from gnn_core.errors import TableNotFoundError, WarehouseError
from gnn_core.io.warehouse import JobStats, TableName, Warehouse

PROPERTY = pa.struct([("name", pa.string()), ("text", pa.string()), ("number", pa.int64()), ("real", pa.float64())])
NOON = dt.datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=dt.UTC)
ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "text": pa.array(["plain", "Ünïcode 🚗 'quoted'", None]),
        "real": pa.array([1.5, -0.0, None]),
        "flag": pa.array([True, False, None]),
        "day": pa.array([dt.date(2026, 3, 1), dt.date(1969, 12, 31), None]),
        "at": pa.array([NOON, dt.datetime(1969, 7, 20, tzinfo=dt.UTC), None], pa.timestamp("us", tz="UTC")),
        "tags": pa.array([["a", "b"], [], ["c"]], pa.list_(pa.string())),
        "properties": pa.array(
            [
                [
                    {"name": "email", "text": "é@x.org", "number": None, "real": None},
                    {"name": "v1_year", "text": None, "number": 1967, "real": None},
                ],
                [],
                [{"name": "price", "text": None, "number": None, "real": 9.5}],
            ],
            pa.list_(PROPERTY),
        ),
    }
)
TYPES = {
    "id": "INT64",
    "text": "STRING",
    "real": "FLOAT64",
    "flag": "BOOL",
    "day": "DATE",
    "at": "TIMESTAMP",
    "tags": "ARRAY<STRING>",
    "properties": "ARRAY<STRUCT<name STRING, text STRING, number INT64, real FLOAT64>>",
}


def by_id(table):
    return table.sort_by("id").to_pylist()


@pytest.fixture
def table(any_warehouse, dataset):
    """ROWS, loaded."""
    name = TableName(dataset, "rows")
    any_warehouse.load(name, ROWS)
    return name


def test_each_engine_is_a_warehouse(any_warehouse):
    assert isinstance(any_warehouse, Warehouse)
    assert any_warehouse.engine in ("duckdb", "bigquery")


def test_loaded_rows_come_back_as_they_were(any_warehouse, table):
    back = any_warehouse.read(table)
    assert by_id(back) == by_id(ROWS)
    assert back.schema.names == ROWS.schema.names
    assert [field.type for field in back.schema] == [field.type for field in ROWS.schema]


def test_read_takes_columns_in_the_order_asked_for(any_warehouse, table):
    back = any_warehouse.read(table, columns=["properties", "id"])
    assert back.column_names == ["properties", "id"]
    assert by_id(back) == by_id(ROWS.select(["properties", "id"]))


def test_columns_are_told_in_googlesql(any_warehouse, table):
    assert any_warehouse.columns(table) == TYPES
    assert list(any_warehouse.columns(table)) == list(TYPES)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param(pa.array([1], pa.int32()), pa.array([1], pa.int64()), id="int32"),
        pytest.param(pa.array([1], pa.uint8()), pa.array([1], pa.int64()), id="uint8"),
        pytest.param(pa.array([1.5], pa.float32()), pa.array([1.5]), id="float32"),
        pytest.param(pa.array(["a"], pa.large_string()), pa.array(["a"]), id="large text"),
        pytest.param(pa.array(["a"]).dictionary_encode(), pa.array(["a"]), id="categories"),
        pytest.param(
            pa.array([dt.datetime.fromisoformat("2026-01-01")], pa.timestamp("ns")),
            pa.array([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)], pa.timestamp("us", tz="UTC")),
            id="a time without zone is UTC",
        ),
        pytest.param(
            pa.array([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)], pa.timestamp("ms", tz="America/New_York")),
            pa.array([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)], pa.timestamp("us", tz="UTC")),
            id="a time in another zone",
        ),
        pytest.param(
            pa.array([None, ["a"]], pa.large_list(pa.large_string())),
            pa.array([[], ["a"]], pa.list_(pa.string())),
            id="a null array is an empty one",
        ),
        pytest.param(
            pa.array([[{"a": 1}]], pa.list_(pa.struct([("a", pa.int16())]))),
            pa.array([[{"a": 1}]], pa.list_(pa.struct([("a", pa.int64())]))),
            id="inside an array",
        ),
        pytest.param(pa.array([{"a": "x"}, None]), pa.array([{"a": "x"}, None]), id="struct"),
    ],
)
def test_types_widen_to_one_form(any_warehouse, dataset, given, want):
    name = TableName(dataset, "t")
    any_warehouse.load(name, pa.table({"id": range(len(given)), "c": given}))
    back = any_warehouse.read(name).sort_by("id")["c"].combine_chunks()
    assert back.type == want.type
    assert back.to_pylist() == want.to_pylist()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(pa.table({"c": pa.nulls(2)}), "column c holds only untyped nulls", id="untyped nulls"),
        pytest.param(pa.table({"c": pa.array([["a", None]])}), "column c has an array with a NULL", id="null element"),
        pytest.param(pa.table({"c": pa.array([1], pa.duration("s"))}), "column c of type duration", id="duration"),
        pytest.param(pa.table({"c": pa.array([2**63], pa.uint64())}), "column c of type uint64", id="beyond 64 bits"),
        pytest.param(pa.table({"c": pa.array([1], pa.timestamp("ns"))}), "column c of type timestamp", id="nanosecond"),
        pytest.param(pa.table({"c": [1], "C": [2]}), "two columns are called c", id="one name twice"),
        pytest.param(pa.table({}), "no columns", id="no columns"),
    ],
)
def test_rows_that_no_engine_can_hold_are_refused(any_warehouse, table, rows, message):
    with pytest.raises(WarehouseError, match=message):
        any_warehouse.load(table, rows)
    assert any_warehouse.row_count(table) == 3


def test_load_replaces_rows(any_warehouse, table):
    stats = any_warehouse.load(table, ROWS.slice(1, 1))
    assert isinstance(stats, JobStats)
    assert stats.rows == 1
    assert by_id(any_warehouse.read(table)) == by_id(ROWS.slice(1, 1))


def test_load_and_move_replace_columns_too(duckdb_warehouse):
    """On DuckDB only: BigQuery replaces the schema, but the emulator inserts into the old columns."""
    duckdb_warehouse.ensure_dataset("d")
    first, second = TableName("d", "first"), TableName("d", "second")
    duckdb_warehouse.load(first, ROWS)
    duckdb_warehouse.load(first, pa.table({"other": ["x"]}))
    duckdb_warehouse.load(second, ROWS)
    duckdb_warehouse.move(first, second)
    assert duckdb_warehouse.read(first).to_pylist() == duckdb_warehouse.read(second).to_pylist() == [{"other": "x"}]


def test_load_appends_when_asked_to(any_warehouse, dataset):
    name = TableName(dataset, "t")
    any_warehouse.load(name, pa.table({"id": [1], "b": ["x"]}), replace=False)
    any_warehouse.load(name, pa.table({"b": ["y"], "id": [2]}), replace=False)
    assert by_id(any_warehouse.read(name)) == [{"id": 1, "b": "x"}, {"id": 2, "b": "y"}]
    assert any_warehouse.row_count(name) == 2


@pytest.mark.parametrize("rows", [pa.table({"id": [2]}), pa.table({"id": [2], "b": [1]})], ids=["missing", "type"])
def test_rows_with_other_columns_are_not_appended(any_warehouse, dataset, rows):
    name = TableName(dataset, "t")
    any_warehouse.load(name, pa.table({"id": [1], "b": ["x"]}))
    with pytest.raises(WarehouseError, match=f"{name}: rows to append have columns"):
        any_warehouse.load(name, rows, replace=False)
    assert any_warehouse.read(name).to_pylist() == [{"id": 1, "b": "x"}]


def test_an_empty_table_keeps_its_types(any_warehouse, table):
    any_warehouse.load(table, ROWS.slice(0, 0))
    assert any_warehouse.columns(table) == TYPES
    assert any_warehouse.read(table).num_rows == any_warehouse.row_count(table) == 0
    assert [field.type for field in any_warehouse.read(table).schema] == [field.type for field in ROWS.schema]
    empty = any_warehouse.query("SELECT id, properties FROM {t}", tables={"t": table})
    assert (empty.num_rows, empty.schema.types) == (0, [pa.int64(), ROWS.schema.field("properties").type])


def test_move_replaces_the_target_and_keeps_the_source(any_warehouse, dataset):
    source, target = TableName(dataset, "staging"), TableName(dataset, "live")
    any_warehouse.load(source, pa.table({"id": [1]}))
    any_warehouse.move(source, target)
    any_warehouse.load(source, pa.table({"id": [2, 3]}))
    assert any_warehouse.read(target).to_pylist() == [{"id": 1}]
    any_warehouse.move(source, target)
    assert by_id(any_warehouse.read(target)) == by_id(any_warehouse.read(source)) == [{"id": 2}, {"id": 3}]


def test_a_move_that_fails_leaves_the_target(any_warehouse, table):
    view = TableName(table.dataset, "a_view")
    any_warehouse.create_view(view, "SELECT id FROM {t}", tables={"t": table})
    with pytest.raises(TableNotFoundError, match="gone"):
        any_warehouse.move(TableName(table.dataset, "gone"), table)
    with pytest.raises(WarehouseError, match="is a view"):
        any_warehouse.move(view, table)
    with pytest.raises(WarehouseError, match="both source and target"):
        any_warehouse.move(table, table)
    assert by_id(any_warehouse.read(table)) == by_id(ROWS)


def test_create_table_as_gives_bigquery_types(any_warehouse, table):
    made = TableName(table.dataset, "made")
    sql = """
        SELECT id AS k, 1 AS one, 1.5 AS real, COUNT(*) AS n, CAST(SUM(id) AS INT64) AS s, [1, 2] AS l,
               STRUCT(1 AS a, 'x' AS b) AS t, TIMESTAMP '2026-01-01 00:00:00' AS at, @word AS word
        FROM {t} WHERE id IN UNNEST(@ids) GROUP BY id
    """
    parameters = {"word": "ü", "ids": [1, 3]}
    stats = any_warehouse.create_table_as(
        made, sql, parameters=parameters, tables={"t": table}, layout=TableLayout(None, ("k",))
    )
    assert stats.rows in (None, 2)
    assert any_warehouse.columns(made) == {
        "k": "INT64",
        "one": "INT64",
        "real": "FLOAT64",
        "n": "INT64",
        "s": "INT64",
        "l": "ARRAY<INT64>",
        "t": "STRUCT<a INT64, b STRING>",
        "at": "TIMESTAMP",
        "word": "STRING",
    }
    assert any_warehouse.read(made).sort_by("k").select(["k", "s", "word"]).to_pylist() == [
        {"k": 1, "s": 1, "word": "ü"},
        {"k": 3, "s": 3, "word": "ü"},
    ]


def test_a_query_that_fails_leaves_the_old_table(any_warehouse, table):
    for sql in ("SELECT 1 / (id - 1) AS x FROM {t}", "SELECT no_such_column AS x FROM {t}"):
        with pytest.raises(WarehouseError, match="my label"):
            any_warehouse.create_table_as(table, sql, tables={"t": table}, label="my label")
    assert by_id(any_warehouse.read(table)) == by_id(ROWS)


def test_a_table_can_be_rebuilt_from_itself(any_warehouse, table):
    any_warehouse.create_table_as(table, "SELECT id + 10 AS id FROM {t}", tables={"t": table})
    assert by_id(any_warehouse.read(table)) == [{"id": 11}, {"id": 12}, {"id": 13}]


def test_a_view_follows_its_table(any_warehouse, table):
    view = TableName(table.dataset, "v")
    any_warehouse.create_view(view, "SELECT id, text FROM {t} WHERE id > 1", tables={"t": table})
    assert any_warehouse.columns(view) == {"id": "INT64", "text": "STRING"}
    assert [row["id"] for row in by_id(any_warehouse.read(view))] == [2, 3]
    assert any_warehouse.read(view, columns=["text", "id"]).column_names == ["text", "id"]
    any_warehouse.load(table, ROWS.slice(0, 2))
    assert any_warehouse.row_count(view) == 1
    any_warehouse.create_view(view, "SELECT id FROM {t}", tables={"t": table})
    assert any_warehouse.columns(view) == {"id": "INT64"}


def test_tables_are_listed_without_views(any_warehouse, table):
    dataset = table.dataset
    any_warehouse.load(TableName(dataset, "rows_2"), ROWS)
    any_warehouse.load(TableName(dataset, "other"), ROWS)
    any_warehouse.create_view(TableName(dataset, "rows_view"), "SELECT id FROM {t}", tables={"t": table})
    assert any_warehouse.list_tables(dataset) == ["other", "rows", "rows_2"]
    assert any_warehouse.list_tables(dataset, "rows") == ["rows", "rows_2"]
    assert any_warehouse.list_tables("no_such_dataset") == []


def test_drop_removes_tables_and_views_and_does_not_mind_their_absence(any_warehouse, table):
    view = TableName(table.dataset, "v")
    any_warehouse.create_view(view, "SELECT id FROM {t}", tables={"t": table})
    assert any_warehouse.exists(view)
    assert any_warehouse.exists(table)
    for name in (view, table, table, TableName("no_such_dataset", "t")):
        any_warehouse.drop(name)
        assert not any_warehouse.exists(name)


def test_a_dataset_is_made_once(any_warehouse, table):
    any_warehouse.ensure_dataset(table.dataset)
    assert any_warehouse.row_count(table) == 3


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda w, t: w.read(t), id="read"),
        pytest.param(lambda w, t: w.columns(t), id="columns"),
        pytest.param(lambda w, t: w.row_count(t), id="row_count"),
        pytest.param(lambda w, t: w.query("SELECT 1 AS a FROM {t}", tables={"t": t}), id="query"),
        pytest.param(
            lambda w, t: w.create_table_as(TableName(t.dataset, "x"), "SELECT 1 AS a FROM {t}", tables={"t": t}),
            id="create_table_as",
        ),
    ],
)
def test_a_missing_table_has_its_own_error(any_warehouse, dataset, act):
    with pytest.raises(TableNotFoundError, match="missing"):
        act(any_warehouse, TableName(dataset, "missing"))


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda w, t: w.load(t, ROWS), id="load"),
        pytest.param(lambda w, t: w.create_table_as(t, "SELECT 1 AS a"), id="create_table_as"),
        pytest.param(lambda w, t: w.create_view(t, "SELECT 1 AS a"), id="create_view"),
    ],
)
def test_writing_into_a_missing_dataset_names_it(any_warehouse, act):
    with pytest.raises(WarehouseError, match="no_such_dataset"):
        act(any_warehouse, TableName("no_such_dataset", "t"))


def test_reading_an_unknown_column_names_it(any_warehouse, table):
    with pytest.raises(WarehouseError, match="no_such_column"):
        any_warehouse.read(table, columns=["id", "no_such_column"])
