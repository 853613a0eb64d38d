"""SQL text before an engine sees it: files, `{table}` placeholders and `@parameter` values.

What belongs here: everything that is the same on every engine. What does not: translation (dialect.py), running
(duckdb.py, bigquery.py). A placeholder takes a validated table name and nothing else; values travel as parameters.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlglot import exp

from gnn_core.errors import WarehouseError
from gnn_core.io.dialect import parse, to_duckdb
from gnn_core.io.warehouse import TableName

__all__ = ["Statement", "TypedValue", "load_sql", "prepare", "to_duckdb"]

_FOLDER = Path(__file__).resolve().parent.parent / "sql"
_FILE = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
# A brace before a digit, as in a regular expression's {3}, is no placeholder.
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class TypedValue:
    """A parameter with its GoogleSQL element type; `is_list` for `UNNEST(@name)`."""

    kind: str
    """STRING, INT64, FLOAT64, BOOL, DATE or TIMESTAMP."""
    value: object
    """str, int, float, bool, date, datetime with UTC, or a list of one of those."""
    is_list: bool = False


@dataclass(frozen=True)
class Statement:
    """A checked SELECT, ready for an engine."""

    text: str
    parameters: dict[str, TypedValue]
    label: str


def load_sql(name: str) -> str:
    """Text of gnn_core/sql/<name>.sql, such as `baseline/segment_scores`.

    Raises:
        WarehouseError: the name is not lower-case words with slashes, or there is no such file.
    """
    if not _FILE.fullmatch(name):
        raise WarehouseError(f"SQL file name {name!r}: write folder/name in lower case, without .sql")
    path = _FOLDER / f"{name}.sql"
    if not path.is_file():
        raise WarehouseError(f"SQL file {name}.sql does not exist under gnn_core/sql")
    return path.read_text(encoding="utf-8")


def prepare(
    sql: str,
    parameters: Mapping[str, object] | None,
    tables: Mapping[str, TableName] | None,
    quote: Callable[[TableName], str],
    label: str,
) -> Statement:
    """Fill the placeholders, type the parameters, and check that this is one SELECT that uses all of both.

    Args:
        quote: how the engine writes a table name inside GoogleSQL, backticks included.
    Raises:
        WarehouseError: a table or parameter is missing or unused, a value has no GoogleSQL type, or the text is not
            one SELECT; names `label`.
    """
    text = _fill(sql, tables or {}, quote, label)
    _same_names(_parameters_of(text, label), parameters or {}, "parameter", "@{}", label)
    return Statement(text, {name: _typed(name, v, label) for name, v in (parameters or {}).items()}, label)


@functools.lru_cache(maxsize=512)
def _parameters_of(text: str, label: str) -> frozenset[str]:
    tree = parse(text, label)
    if not isinstance(tree, exp.Query):
        raise WarehouseError(f"{label}: a {tree.key.upper()} statement; only SELECT is run here")
    return frozenset(node.name for node in tree.find_all(exp.Parameter))


def _fill(sql: str, tables: Mapping[str, TableName], quote: Callable[[TableName], str], label: str) -> str:
    _same_names(set(_PLACEHOLDER.findall(sql)), tables, "table", "{{{}}}", label)
    for name, table in tables.items():
        if not isinstance(table, TableName):
            raise WarehouseError(f"{label}: table {name} is {table!r}; give a TableName")
    return _PLACEHOLDER.sub(lambda match: quote(tables[match.group(1)]), sql)


def _same_names(wanted: Set[str], given: Mapping[str, object], what: str, shape: str, label: str) -> None:
    missing, unused = sorted(wanted - set(given)), sorted(set(given) - wanted)
    if missing:
        raise WarehouseError(f"{label}: no {what} given for {', '.join(shape.format(name) for name in missing)}")
    if unused:
        raise WarehouseError(f"{label}: {what} {', '.join(unused)} is given but not used in the SQL")


def _typed(name: str, value: object, label: str) -> TypedValue:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        kind, plain = _scalar(name, value, label)
        return TypedValue(kind, plain)
    if len(value) == 0:
        raise WarehouseError(f"{label}: parameter @{name} is an empty list, which has no type")
    items = [_scalar(name, item, label) for item in value]
    kinds = {kind for kind, _ in items}
    if kinds == {"INT64", "FLOAT64"}:
        return TypedValue("FLOAT64", [float(plain) for _, plain in items], is_list=True)  # type: ignore[arg-type]
    if len(kinds) > 1:
        raise WarehouseError(f"{label}: parameter @{name} mixes {', '.join(sorted(kinds))}; a list has one type")
    return TypedValue(items[0][0], [plain for _, plain in items], is_list=True)


def _scalar(name: str, value: object, label: str) -> tuple[str, object]:
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            raise WarehouseError(f"{label}: parameter @{name} is NaT")
        # item() of a nanosecond value is an integer: bring it to microseconds first. Days stay dates.
        value = value.item() if np.datetime_data(value.dtype)[0] == "D" else value.astype("datetime64[us]").item()
    elif isinstance(value, np.generic):
        value = value.item()
    match value:
        case bool():
            return "BOOL", value
        case int() if value in _INT64:
            return "INT64", value
        case float() if math.isfinite(value):
            return "FLOAT64", value
        case str():
            return "STRING", value
        case dt.datetime():
            # Without a zone it is UTC already: every time in the platform is.
            zoned = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
            return "TIMESTAMP", zoned
        case dt.date():
            return "DATE", value
    raise WarehouseError(
        f"{label}: parameter @{name} is {value!r} ({type(value).__name__}); give a str, int64, finite float, bool, "
        "date, datetime or a list of one of those"
    )
