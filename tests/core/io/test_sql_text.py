"""SQL text before an engine sees it: files, placeholders, parameters."""

import pytest

from gnn_core.errors import WarehouseError
from gnn_core.io import sql as sql_module
from gnn_core.io.sql import TypedValue, load_sql, prepare
from gnn_core.io.warehouse import TableName

EVENTS = TableName("work", "events_20260601")


def quote(table):
    return f"`{table.dataset}`.`{table.table}`"


def ready(sql, parameters=None, **tables):
    return prepare(sql, parameters, tables, quote, "my label")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of SQL files in the place of the real one."""
    (tmp_path / "sql" / "part").mkdir(parents=True)
    (tmp_path / "sql" / "part" / "file.sql").write_text("SELECT 'é' AS x", encoding="utf-8")
    (tmp_path / "outside.sql").write_text("secret")
    monkeypatch.setattr(sql_module, "_FOLDER", tmp_path / "sql")
    return tmp_path


def test_a_file_is_loaded_by_name(folder):
    assert load_sql("part/file") == "SELECT 'é' AS x"


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "part/file.sql", "Part/File", "", "part//file"])
def test_a_name_that_is_no_plain_path_is_refused(folder, name):
    with pytest.raises(WarehouseError, match="SQL file name"):
        load_sql(name)


def test_a_missing_file_is_named(folder):
    with pytest.raises(WarehouseError, match=r"part/none\.sql does not exist"):
        load_sql("part/none")


def test_placeholders_take_quoted_names_and_other_braces_stay():
    got = ready(
        r"SELECT a FROM {events} WHERE REGEXP_CONTAINS(b, r'\d{3}') AND c = '{}' AND d = '{ e }'", events=EVENTS
    )
    assert got.text == (
        r"SELECT a FROM `work`.`events_20260601` WHERE REGEXP_CONTAINS(b, r'\d{3}') AND c = '{}' AND d = '{ e }'"
    )


@pytest.mark.parametrize(
    ("sql", "parameters", "tables", "message"),
    [
        ("SELECT 1 AS a FROM {t}", {}, {}, r"no table given for \{t\}"),
        ("SELECT 1 AS a", {}, {"t": EVENTS}, "table t is given but not used"),
        ("SELECT 1 AS a FROM {t}", {}, {"t": "work.events"}, "table t is 'work.events'; give a TableName"),
        ("SELECT @a AS a", {}, {}, "no parameter given for @a"),
        ("SELECT 1 AS a", {"b": 1}, {}, "parameter b is given but not used"),
        ("SELECT '@a' AS a", {"a": 1}, {}, "parameter a is given but not used"),
        ("SELECT @a AS a", {"a": None}, {}, "parameter @a is None"),
        ("SELECT @a AS a", {"a": []}, {}, "parameter @a is an empty list"),
        ("SELECT @a AS a", {"a": [1, "x"]}, {}, "parameter @a mixes INT64, STRING"),
        ("SELECT @a AS a", {"a": [1, None]}, {}, "parameter @a is None"),
        ("SELECT @a AS a", {"a": [True, 1]}, {}, "parameter @a mixes BOOL, INT64"),
        ("SELECT @a AS a", {"a": 2**63}, {}, "parameter @a is 9223372036854775808"),
        ("SELECT @a AS a", {"a": float("nan")}, {}, "parameter @a is nan"),
        ("SELECT @a AS a", {"a": b"x"}, {}, "parameter @a is b'x'"),
        ("SELECT @a AS a", {"a": {"x": 1}}, {}, "parameter @a is {'x': 1}"),
        ("DROP TABLE {t}", {}, {"t": EVENTS}, "a DROP statement; only SELECT"),
        ("SELECT 1 AS a; SELECT 2 AS a", {}, {}, "2 statements; give exactly one"),
        ("-- nothing", {}, {}, "0 statements; give exactly one"),
        ("SELECT (1 AS a", {}, {}, "not readable as GoogleSQL"),
    ],
)
def test_what_does_not_fit_is_named(sql, parameters, tables, message):
    with pytest.raises(WarehouseError, match=f"my label: .*{message}"):
        ready(sql, parameters, **tables)


def test_errors_carry_no_terminal_codes():
    with pytest.raises(WarehouseError) as raised:
        ready("SELECT FROM WHERE")
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("text", ["work", "work.a.b", "work.a-b", "work.a`b", "work.", ".a", "1work.a", "work.a b", ""])
def test_a_table_name_is_two_identifiers(text):
    with pytest.raises(WarehouseError):
        TableName.parse(text)


def test_parameters_are_typed():
    got = ready("SELECT @a AS a, x FROM UNNEST(@b) AS x", {"a": True, "b": [1, 2]})
    assert got.parameters == {"a": TypedValue("BOOL", True), "b": TypedValue("INT64", [1, 2], is_list=True)}
