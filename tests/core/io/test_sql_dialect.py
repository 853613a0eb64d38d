"""DuckDB gives GoogleSQL's documented answer where sqlglot alone, or DuckDB, would give another one.

These cases run on DuckDB only: the emulator answers most of them as DuckDB does, and BigQuery does not.
"""

import datetime as dt

import duckdb
import pyarrow as pa
import pytest
import sqlglot

from gnn_core.config.tables import TableLayout
from gnn_core.errors import WarehouseError
from gnn_core.io.dialect import to_duckdb
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.io.warehouse import TableName
from tests.fixtures.warehouse import warehouse_settings


@pytest.fixture(scope="module")
def warehouse():
    """An in-memory warehouse for expressions."""
    return DuckDbWarehouse(":memory:", warehouse_settings())


DIFFERENCES = [
    pytest.param("REGEXP_EXTRACT('x', r'([0-9]+)')", None, id="no match is NULL"),
    pytest.param("REGEXP_EXTRACT('ab', r'b(c*)')", "", id="an empty match is empty"),
    pytest.param(
        "TIMESTAMP_DIFF(TIMESTAMP '2026-01-02 00:00:00', TIMESTAMP '2026-01-01 01:00:00', DAY)", 0, id="whole days"
    ),
    pytest.param(
        "TIMESTAMP_DIFF(TIMESTAMP '2026-01-01 01:00:00', TIMESTAMP '2026-01-02 02:30:00', HOUR)", -25, id="whole hours"
    ),
    pytest.param("(SELECT SAFE_CAST(y AS INT64) FROM UNNEST(['1.5']) AS y)", None, id="1.5 is no integer"),
    pytest.param("(SELECT SAFE_CAST(y AS INT64) FROM UNNEST(['1e3']) AS y)", None, id="1e3 is no integer"),
    pytest.param("(SELECT SAFE_CAST(y AS INT64) FROM UNNEST([' -12 ']) AS y)", -12, id="spaces around an integer"),
    pytest.param("(SELECT SAFE_CAST(y AS BOOL) FROM UNNEST(['t']) AS y)", None, id="t is no truth value"),
    pytest.param("(SELECT SAFE_CAST(y AS BOOL) FROM UNNEST(['TRUE']) AS y)", True, id="TRUE is one"),
    pytest.param("CAST(2.5 AS INT64)", 3, id="half goes up"),
    pytest.param("CAST(-2.5 AS INT64)", -3, id="half goes away from zero"),
    pytest.param("(SELECT CAST(y AS INT64) FROM UNNEST(['12']) AS y)", 12, id="integer from text"),
    pytest.param("(SELECT CAST(y AS STRING) FROM UNNEST([3.0]) AS y)", "3", id="a whole float has no .0"),
    pytest.param("(SELECT CAST(y AS STRING) FROM UNNEST([10.5]) AS y)", "10.5", id="another float keeps it"),
    pytest.param("(SELECT CAST(y AS STRING) FROM UNNEST(['3.0']) AS y)", "3.0", id="a text stays as it is"),
    pytest.param("DATE_TRUNC(DATE '2026-01-04', ISOWEEK)", dt.date(2025, 12, 29), id="ISO week"),
    pytest.param("DATE_TRUNC(DATE '2026-01-04', WEEK(MONDAY))", dt.date(2025, 12, 29), id="week from Monday"),
    pytest.param("DATE_DIFF(DATE '2026-01-04', DATE '2026-01-03', WEEK)", 1, id="Sunday starts a week"),
    pytest.param("DATE_DIFF(DATE '2026-01-05', DATE '2026-01-04', WEEK)", 0, id="Monday starts none"),
    pytest.param("DATE_DIFF(DATE '2026-01-05', DATE '2026-01-04', WEEK(MONDAY))", 1, id="or does, when asked"),
    pytest.param("EXTRACT(ISOWEEK FROM DATE '2026-01-04')", 1, id="number of the ISO week"),
    pytest.param("EXTRACT(DATE FROM TIMESTAMP '2026-01-04 23:00:00')", dt.date(2026, 1, 4), id="date of a time"),
    pytest.param(
        "(SELECT ARRAY_AGG(y IGNORE NULLS ORDER BY y LIMIT 1) FROM UNNEST([NULL, 2, 1]) AS y)", [1], id="limit"
    ),
    pytest.param("(SELECT ARRAY_AGG(y IGNORE NULLS) FROM UNNEST([NULL, 2]) AS y)", [2], id="without nulls"),
    pytest.param("(SELECT ARRAY_AGG(y ORDER BY y DESC LIMIT 1)[OFFSET(0)] FROM UNNEST([1, 2]) AS y)", 2, id="first"),
    pytest.param("(SELECT COUNTIF(y) FROM UNNEST(ARRAY<BOOL>[]) AS y)", 0, id="counting nothing"),
    pytest.param("SAFE.PARSE_TIMESTAMP('%Y-%m-%d', 'x')", None, id="safe timestamp"),
    pytest.param("0.1 + 0.2", 0.1 + 0.2, id="floats are binary"),
    pytest.param("(SELECT y.table FROM UNNEST([STRUCT(1 AS `table`)]) AS y)", 1, id="a word that DuckDB reserves"),
]


@pytest.mark.parametrize(("expression", "want"), DIFFERENCES)
def test_duckdb_answers_as_bigquery(warehouse, expression, want):
    assert warehouse.query(f"SELECT {expression} AS x")["x"].to_pylist() == [want]


def test_sqlglot_alone_would_be_wrong():
    """Why the rules exist; when this fails, sqlglot or DuckDB has learned, and rules may go."""
    still_wrong = []
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for case in DIFFERENCES:
        expression, want = case.values
        try:
            (plain,) = sqlglot.transpile(f"SELECT {expression} AS x", read="bigquery", write="duckdb")
            got = con.execute(plain).to_arrow_table()["x"].to_pylist()
        except (duckdb.Error, sqlglot.errors.SqlglotError):
            got = ["an error"]
        if got != [want]:
            still_wrong.append(case.id)
    assert len(still_wrong) >= 15, still_wrong


def test_offsets_count_from_zero_in_every_join(warehouse):
    sql = """
        SELECT t.k, position, item.v FROM (SELECT 1 AS k, [STRUCT('a' AS v), STRUCT('b' AS v)] AS items
          UNION ALL SELECT 2, []) AS t LEFT JOIN UNNEST(t.items) AS item WITH OFFSET AS position ORDER BY k, position
    """
    assert warehouse.query(sql).to_pylist() == [
        {"k": 1, "position": 0, "v": "a"},
        {"k": 1, "position": 1, "v": "b"},
        {"k": 2, "position": None, "v": None},
    ]
    bare = "SELECT v, offset FROM UNNEST(['x', 'y']) AS v WITH OFFSET ORDER BY offset"
    assert warehouse.query(bare).to_pylist() == [{"v": "x", "offset": 0}, {"v": "y", "offset": 1}]


def test_division_by_zero_is_an_error_only_where_it_happens(warehouse):
    with pytest.raises(WarehouseError, match="division by zero; use SAFE_DIVIDE"):
        warehouse.query("SELECT 1 / y AS x FROM UNNEST([1, 0]) AS y")
    guarded = "SELECT IF(y = 0, NULL, 1 / y) AS x FROM UNNEST([2, 0]) AS y ORDER BY y DESC"
    assert warehouse.query(guarded)["x"].to_pylist() == [0.5, None]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("REGEXP_EXTRACT('a', @p)", "REGEXP_EXTRACT with a pattern that is not a literal"),
        ("REGEXP_EXTRACT('aa', 'a', 2)", "REGEXP_EXTRACT with position"),
        ("FORMAT('%t', 1)", "FORMAT with %t"),
        ("FORMAT(@p, 1)", "FORMAT with"),
        ("DATE_TRUNC(DATE '2026-01-04', WEEK)", "truncation by WEEK"),
        ("TIMESTAMP_TRUNC(TIMESTAMP '2026-01-04', WEEK)", "truncation by WEEK"),
        ("DATE_DIFF(DATE '2026-01-04', DATE '2026-01-01', ISOWEEK)", "DATE_DIFF by ISOWEEK"),
        ("EXTRACT(WEEK FROM DATE '2026-01-04')", "EXTRACT"),
        ("SAFE.LN(0)", "SAFE"),
    ],
)
def test_what_cannot_be_brought_over_is_refused_by_name(expression, message):
    with pytest.raises(WarehouseError, match=f"my label: {message}.*README"):
        to_duckdb(f"SELECT {expression} AS x", {}, "my label")


def test_a_function_that_duckdb_lacks_is_an_error(warehouse):
    with pytest.raises(WarehouseError, match="farm_fingerprint"):
        warehouse.query("SELECT FARM_FINGERPRINT('a') AS x")


def test_tables_get_the_types_of_bigquery(warehouse):
    """A literal has 32 bits in DuckDB, a SUM 128, a decimal literal is a DECIMAL."""
    warehouse.ensure_dataset("types")
    table = TableName("types", "t")
    warehouse.create_table_as(
        table, "SELECT 1 AS a, SUM(y) AS b, 1.5 AS c, [1] AS d, [STRUCT(1 AS e, 2.5 AS f)] AS g FROM UNNEST([1]) AS y"
    )
    assert list(warehouse.columns(table).values()) == [
        "INT64",
        "INT64",
        "FLOAT64",
        "ARRAY<INT64>",
        "ARRAY<STRUCT<e INT64, f FLOAT64>>",
    ]
    names = ", ".join(f"TYPEOF({name}) AS {name}" for name in "abcdg")
    (stored,) = warehouse.query(f"SELECT {names} FROM types.t").to_pylist()
    assert list(stored.values()) == ["BIGINT", "BIGINT", "DOUBLE", "BIGINT[]", "STRUCT(e BIGINT, f DOUBLE)[]"]


def test_a_sum_beyond_64_bits_is_an_error(warehouse):
    with pytest.raises(WarehouseError, match="column x"):
        warehouse.query(f"SELECT SUM(y) AS x FROM UNNEST([{2**62}, {2**62}, 1]) AS y")


def test_sql_cannot_reach_the_callers_variables_or_files(warehouse, tmp_path):
    mine = pa.table({"a": [1]})
    with pytest.raises(WarehouseError, match="mine"):
        warehouse.query("SELECT a FROM mine")
    assert mine.num_rows == 1


def test_cluster_by_must_name_a_column(warehouse):
    warehouse.ensure_dataset("types")
    with pytest.raises(WarehouseError, match="layout names b, no column of"):
        warehouse.create_table_as(TableName("types", "c"), "SELECT 1 AS a", layout=TableLayout(None, ("b",)))
