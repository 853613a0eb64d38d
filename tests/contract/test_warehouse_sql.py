"""One GoogleSQL text, the same rows on every engine. Real BigQuery's documentation gives the expected values.

What the emulator answers differently from BigQuery (see gnn_core/sql/README.md) is checked for DuckDB alone, in
tests/core/io/test_sql_dialect.py.
"""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from gnn_core.errors import WarehouseError
from gnn_core.io.warehouse import TableName


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


def one(warehouse, expression, **parameters):
    """Value of one expression."""
    (row,) = warehouse.query(f"SELECT {expression} AS x", parameters=parameters).to_pylist()
    return row["x"]


VALUES = [
    # Texts and patterns
    ("REGEXP_REPLACE('a  b   c', r'\\s+', ' ')", "a b c"),
    ("REGEXP_REPLACE('ABC12R', r'([0-9])[BRGP]$', r'\\1')", "ABC12"),
    ("REGEXP_CONTAINS(LOWER('Spark Plug Gasket'), r'\\b(gasket|key)\\b')", True),
    ("REGEXP_CONTAINS('REFURBISHED', r'(?i)refurbished')", True),
    ("REGEXP_CONTAINS('xx', r'^x{2}$')", True),
    ("REGEXP_EXTRACT('Items_12.ProductId', r'^Items_([0-9]+)[.]')", "12"),
    ("REGEXP_EXTRACT('abc', r'b.')", "bc"),
    ("REGEXP_EXTRACT('nothing', r'([0-9]+)')", None),
    ("REGEXP_EXTRACT_ALL('a1b22', r'[0-9]+')", ["1", "22"]),
    ("SPLIT('a|b|c', '|')[SAFE_OFFSET(1)]", "b"),
    ("SPLIT('a|b|c', '|')[SAFE_OFFSET(7)]", None),
    ("CONCAT('year', '|', CAST(1967 AS STRING))", "year|1967"),
    ("CONCAT('a', NULL)", None),
    ("STARTS_WITH('//cdn', '//') AND ENDS_WITH('a.png', 'png')", True),
    ("SUBSTR('abcdef', 2, 3) || SUBSTR('abc', -1)", "bcdc"),
    ("FORMAT('Items_%d.%s', 3, 'ProductId')", "Items_3.ProductId"),
    ("FORMAT('%.2f', 50.0)", "50.00"),
    ("LENGTH('é🚗')", 2),
    ("LOWER('ÀÉ') || UPPER('é')", "àéÉ"),
    ("NULLIF(TRIM('  '), '')", None),
    # Numbers
    ("SAFE_CAST('x' AS INT64)", None),
    ("SAFE_CAST('1967' AS INT64)", 1967),
    ("SAFE_CAST(REGEXP_EXTRACT('1.5', r'^[0-9]+$') AS INT64)", None),
    ("SAFE_CAST('9.99' AS FLOAT64)", 9.99),
    ("SAFE_CAST('NONE' AS FLOAT64)", None),
    ("SAFE_CAST('true' AS BOOL)", True),
    ("CAST(ROUND(2.5) AS INT64)", 3),
    ("ROUND(-2.5)", -3.0),
    ("ROUND(1.2345, 2)", 1.23),
    ("DIV(-7, 2)", -3),
    ("MOD(-7, 3)", -1),
    ("7 / 2", 3.5),
    ("SAFE_DIVIDE(1, 0)", None),
    ("LN(1 + 1)", float(np.log(2))),
    ("EXP(-1.0)", float(np.exp(-1))),
    ("1.1 * 1.1", 1.1 * 1.1),
    ("GREATEST(1, 2) - LEAST(1, 2)", 1),
    ("GREATEST(1, NULL)", None),
    ("IS_NAN(CAST('nan' AS FLOAT64)) AND IS_INF(CAST('-inf' AS FLOAT64))", True),
    ("3 BETWEEN 1 AND 3 AND 2 NOT IN (1, 3)", True),
    ("IF(NULL > 1, 'a', 'b')", "b"),
    # Times
    ("DATE_DIFF(DATE '2026-03-01', DATE '2026-02-01', DAY)", 28),
    ("DATE_SUB(DATE '2026-03-31', INTERVAL 1 MONTH)", dt.date(2026, 2, 28)),
    ("DATE_ADD(DATE '2026-01-31', INTERVAL 1 MONTH)", dt.date(2026, 2, 28)),
    ("PARSE_TIMESTAMP('%Y-%m-%d %H', '2026-01-03 10')", utc(2026, 1, 3, 10)),
    ("TIMESTAMP_SECONDS(60) = TIMESTAMP '1970-01-01 00:01:00'", True),
    (
        "DATE_SUB(DATE '2026-01-04', INTERVAL MOD(EXTRACT(DAYOFWEEK FROM DATE '2026-01-04') + 5, 7) DAY)",
        dt.date(2025, 12, 29),
    ),
    ("DATE_TRUNC(DATE '2026-03-31', MONTH)", dt.date(2026, 3, 1)),
    ("TIMESTAMP_DIFF(TIMESTAMP '2026-01-03', TIMESTAMP '2026-01-01', DAY)", 2),
    ("DIV(TIMESTAMP_DIFF(TIMESTAMP '2026-01-02', TIMESTAMP '2026-01-01 01:00:00', SECOND), 86400)", 0),
    ("TIMESTAMP_SUB(TIMESTAMP '2026-01-03', INTERVAL 2 DAY)", utc(2026, 1, 1)),
    ("TIMESTAMP_TRUNC(TIMESTAMP '2026-01-03 10:11:12', DAY)", utc(2026, 1, 3)),
    ("TIMESTAMP(DATE '2026-01-03')", utc(2026, 1, 3)),
    ("TIMESTAMP_MICROS(1)", utc(1970, 1, 1, 0, 0, 0, 1)),
    ("DATE(TIMESTAMP '2026-01-03 23:59:59')", dt.date(2026, 1, 3)),
    ("EXTRACT(YEAR FROM TIMESTAMP '2026-01-03 23:59:59')", 2026),
    ("EXTRACT(DAYOFWEEK FROM DATE '2026-01-04')", 1),
    ("FORMAT_DATE('%Y%m%d', DATE '2026-01-03')", "20260103"),
    ("UNIX_SECONDS(TIMESTAMP '1970-01-01 00:01:00')", 60),
    ("CAST('2026-01-03' AS DATE) < DATE '2026-01-04'", True),
    ("SAFE.PARSE_DATE('%A, %B %d, %Y', 'Friday, January 10, 2025')", dt.date(2025, 1, 10)),
    ("SAFE.PARSE_DATE('%A, %B %d, %Y', 'Friday, January 3, 2025')", dt.date(2025, 1, 3)),
    ("SAFE.PARSE_DATE('%A, %B %d, %Y', 'Sunday, February 30, 2025')", None),
    ("SAFE.PARSE_DATE('%A, %B %d, %Y', 'no date')", None),
    ("SAFE.PARSE_DATE('%A, %B %d, %Y', CAST(NULL AS STRING))", None),
    # Hashes and arrays
    ("TO_HEX(SHA256('abc'))", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("CAST(CONCAT('0x', SUBSTR(TO_HEX(SHA256('abc')), 1, 15)) AS INT64)", 0xBA7816BF8F01CFE),
    ("ARRAY_LENGTH([1, 2, 3])", 3),
    ("ARRAY_TO_STRING(['a', 'b'], '|')", "a|b"),
    ("2 IN UNNEST([1, 2])", True),
    ("EXISTS(SELECT 1 FROM UNNEST(['a', 'b']) AS y WHERE y = 'b')", True),
    ("ARRAY(SELECT y * 2 FROM UNNEST([3, 1]) AS y ORDER BY y)", [2, 6]),
    ("(SELECT SUM(y) FROM UNNEST(GENERATE_ARRAY(1, 4)) AS y)", 10),
    ("(SELECT COUNTIF(y > 1) FROM UNNEST([1, 2, 3]) AS y)", 2),
    ("(SELECT COUNTIF(y > 1) FROM UNNEST(ARRAY<INT64>[]) AS y)", 0),
    ("(SELECT STRING_AGG(y, ',' ORDER BY y DESC) FROM UNNEST(['a', 'b']) AS y)", "b,a"),
    ("(SELECT ARRAY_AGG(y ORDER BY y LIMIT 2) FROM UNNEST([3, 1, 2]) AS y)", [1, 2]),
    ("(SELECT ARRAY_AGG(DISTINCT y ORDER BY y) FROM UNNEST([3, 3, 1]) AS y)", [1, 3]),
    ("(SELECT MAX_BY(z, y) FROM (SELECT 'a' AS z, 1 AS y UNION ALL SELECT 'b', 2))", "b"),
    ("(SELECT LOGICAL_OR(y > 2) AND LOGICAL_AND(y > 0) FROM UNNEST([1, 3]) AS y)", True),
]


@pytest.mark.parametrize(("expression", "want"), VALUES, ids=[expression for expression, _ in VALUES])
def test_an_expression_has_its_documented_value(any_warehouse, expression, want):
    got = one(any_warehouse, expression)
    assert got == pytest.approx(want, rel=1e-15) if isinstance(want, float) else got == want
    assert type(got) is type(want)


def test_texts_keep_their_quotes_braces_and_backslashes(any_warehouse):
    sql = r"""SELECT 'it\'s' AS a, "say \"x\"" AS b, r'\d{3}' AS c, '{3}%d' AS d, 'tab\tend' AS e"""
    (row,) = any_warehouse.query(sql).to_pylist()
    assert row == {"a": "it's", "b": 'say "x"', "c": r"\d{3}", "d": "{3}%d", "e": "tab\tend"}


@pytest.fixture
def users(any_warehouse, dataset):
    """Users with properties as the event system stores them."""
    kind = pa.struct([("property_name", pa.string()), ("string_value", pa.string()), ("long_value", pa.int64())])
    properties = [
        [("email", "a@x.org", None), ("v1_year", None, 1967), ("v1_year", None, 1968)],
        [("email", None, None), ("v1_year", "2018", None)],
        [],
    ]
    rows = [[dict(zip(kind.names, item, strict=True)) for item in user] for user in properties]
    table = TableName(dataset, "users")
    any_warehouse.load(table, pa.table({"id": [1, 2, 3], "props": pa.array(rows, pa.list_(kind))}))
    return table


PROPERTY_QUERIES = {
    "correlated": """
        SELECT u.id, (SELECT p.string_value FROM UNNEST(u.props) AS p WHERE p.property_name = @name LIMIT 1) AS value
        FROM {users} AS u ORDER BY u.id""",
    "joined": """
        SELECT u.id, MAX(IF(p.property_name = @name, p.string_value, NULL)) AS value
        FROM {users} AS u LEFT JOIN UNNEST(u.props) AS p GROUP BY u.id ORDER BY u.id""",
}


@pytest.mark.parametrize("form", PROPERTY_QUERIES)
def test_a_property_is_taken_out_of_an_array_of_structs(any_warehouse, users, form):
    got = any_warehouse.query(PROPERTY_QUERIES[form], parameters={"name": "email"}, tables={"users": users})
    assert got.to_pylist() == [{"id": 1, "value": "a@x.org"}, {"id": 2, "value": None}, {"id": 3, "value": None}]


def test_a_cross_join_drops_users_without_properties_and_a_left_join_keeps_them(any_warehouse, users):
    sql = "SELECT u.id, COUNT(p.property_name) AS n FROM {users} AS u %s UNNEST(u.props) AS p GROUP BY u.id ORDER BY id"
    crossed = any_warehouse.query(sql % "CROSS JOIN", tables={"users": users}).to_pylist()
    kept = any_warehouse.query(sql % "LEFT JOIN", tables={"users": users}).to_pylist()
    assert crossed == [{"id": 1, "n": 3}, {"id": 2, "n": 2}]
    assert kept == [*crossed, {"id": 3, "n": 0}]


def test_offsets_count_from_zero(any_warehouse, users):
    sql = """SELECT u.id, p.property_name AS name, position AS position
             FROM {users} AS u, UNNEST(u.props) AS p WITH OFFSET AS position ORDER BY id, position"""
    got = any_warehouse.query(sql, tables={"users": users}).to_pylist()
    assert [(row["id"], row["position"]) for row in got] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert got[0]["name"] == "email"


def test_the_latest_row_of_each_key_is_kept(any_warehouse):
    sql = """
        WITH rows_in AS (
          SELECT 'a' AS k, 1 AS ts, 'old' AS v UNION ALL SELECT 'a', 2, 'new' UNION ALL SELECT 'b', 1, 'b'
        )
        SELECT k, v FROM rows_in WHERE TRUE
        QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC, v) = 1 ORDER BY k
    """
    assert any_warehouse.query(sql).to_pylist() == [{"k": "a", "v": "new"}, {"k": "b", "v": "b"}]


def test_windows_and_groups(any_warehouse):
    sql = """
        SELECT g AS g, x AS x, SUM(x) OVER (PARTITION BY g ORDER BY x) AS running, RANK() OVER (ORDER BY g, x) AS r,
               COUNT(*) OVER (PARTITION BY g) AS n, LAG(x) OVER (PARTITION BY g ORDER BY x) AS before
        FROM (SELECT MOD(y, 2) AS g, y AS x FROM UNNEST([1, 2, 3]) AS y) ORDER BY g, x
    """
    assert any_warehouse.query(sql).to_pylist() == [
        {"g": 0, "x": 2, "running": 2, "r": 1, "n": 1, "before": None},
        {"g": 1, "x": 1, "running": 1, "r": 2, "n": 2, "before": None},
        {"g": 1, "x": 3, "running": 4, "r": 3, "n": 2, "before": 1},
    ]


@pytest.mark.parametrize(("direction", "want"), [("ASC", [None, 1, 2]), ("DESC", [2, 1, None])])
def test_null_is_the_smallest_value_of_an_order(any_warehouse, direction, want):
    sql = f"SELECT x FROM UNNEST([1, NULL, 2]) AS x ORDER BY x {direction}"
    assert any_warehouse.query(sql)["x"].to_pylist() == want
    ranked = f"SELECT x, ROW_NUMBER() OVER (ORDER BY x {direction}) AS n FROM UNNEST([1, NULL, 2]) AS x ORDER BY n"
    assert any_warehouse.query(ranked)["x"].to_pylist() == want


def test_texts_sort_by_code_point(any_warehouse):
    got = any_warehouse.query("SELECT x FROM UNNEST(['b', 'A', 'é', 'a', 'Z']) AS x ORDER BY x")["x"].to_pylist()
    assert got == ["A", "Z", "a", "b", "é"]


PARAMETERS = [
    ("ü'\"\\", pa.string()),
    (2**62, pa.int64()),
    (1.5, pa.float64()),
    (True, pa.bool_()),
    (dt.date(2026, 3, 1), pa.date32()),
    (utc(2026, 3, 1, 1, 2, 3, 4), pa.timestamp("us", tz="UTC")),
]


@pytest.mark.parametrize(("value", "kind"), PARAMETERS, ids=[str(kind) for _, kind in PARAMETERS])
def test_a_parameter_keeps_type_and_value(any_warehouse, value, kind):
    scalar = any_warehouse.query("SELECT @value AS x", parameters={"value": value})
    assert (scalar["x"].to_pylist(), scalar["x"].type) == ([value], kind)
    many = any_warehouse.query(
        "SELECT x, x IN UNNEST(@value) AS within FROM UNNEST(@value) AS x", parameters={"value": [value]}
    )
    assert (many.to_pylist(), many["x"].type) == ([{"x": value, "within": True}], kind)


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param(utc(2026, 3, 1).replace(tzinfo=None), utc(2026, 3, 1), id="a time without zone is UTC"),
        pytest.param(
            dt.datetime(2026, 3, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), utc(2026, 2, 28, 22), id="another zone"
        ),
        pytest.param(np.datetime64("2026-03-01T00:00:00.000000000"), utc(2026, 3, 1), id="numpy nanoseconds"),
        pytest.param(np.datetime64("2026-03-01"), dt.date(2026, 3, 1), id="numpy day"),
        pytest.param(np.int32(7), 7, id="numpy integer"),
        pytest.param((1, 2.5), [1.0, 2.5], id="a list of numbers"),
        pytest.param(np.array([3, 4]), [3, 4], id="numpy array"),
    ],
)
def test_near_relatives_of_a_type_are_taken(any_warehouse, value, want):
    sql = (
        "SELECT ARRAY(SELECT x FROM UNNEST(@value) AS x ORDER BY x) AS x"
        if isinstance(want, list)
        else "SELECT @value AS x"
    )
    assert any_warehouse.query(sql, parameters={"value": value})["x"].to_pylist() == [want]


def test_parameters_work_in_limits_and_intervals(any_warehouse):
    sql = """SELECT x, TIMESTAMP_SUB(@at, INTERVAL @days DAY) AS t, DATE_SUB(@day, INTERVAL @days DAY) AS d
             FROM UNNEST(GENERATE_ARRAY(1, 5)) AS x ORDER BY x LIMIT 1"""
    got = any_warehouse.query(sql, parameters={"at": utc(2026, 3, 2), "day": dt.date(2026, 3, 2), "days": 2})
    assert got.to_pylist() == [{"x": 1, "t": utc(2026, 2, 28), "d": dt.date(2026, 2, 28)}]


def test_a_hostile_value_stays_a_value(any_warehouse, users):
    hostile = "x'; DROP TABLE users; --"
    got = any_warehouse.query(
        "SELECT COUNT(*) AS n FROM {t} WHERE @v = 'x'", parameters={"v": hostile}, tables={"t": users}
    )
    assert got["n"].to_pylist() == [0]
    assert any_warehouse.row_count(users) == 3


@pytest.mark.parametrize(
    "sql", ["SELECT 1 AS a; SELECT 2 AS b", "DROP TABLE {t}", "DELETE FROM {t} WHERE TRUE", "", "SELECT FROM"]
)
def test_anything_but_one_select_is_refused(any_warehouse, users, sql):
    tables = {"t": users} if "{t}" in sql else {}
    for run in (any_warehouse.query, lambda s, **k: any_warehouse.create_table_as(users, s, **k)):
        with pytest.raises(WarehouseError, match="my label"):
            run(sql, tables=tables, label="my label")
    assert any_warehouse.row_count(users) == 3
