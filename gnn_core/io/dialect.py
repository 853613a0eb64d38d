"""GoogleSQL → DuckDB: sqlglot, plus a rule for every construct that it leaves wrong.

What belongs here: one small rule per difference, each held by a test in tests/core/io/test_sql_dialect.py. What does
not: placeholders and parameters (sql.py), running anything (duckdb.py). A construct that no rule can bring over
faithfully is refused by name instead of giving other rows than BigQuery would; gnn_core/sql/README.md lists them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from gnn_core.errors import WarehouseError

# Texts that GoogleSQL's cast accepts, where DuckDB's accepts more ('1.5' → 2, 't' → true).
_CAST_TEXTS = {
    exp.DataType.Type.BIGINT: r"^\s*[+-]?([0-9]+|0[xX][0-9a-fA-F]+)\s*$",
    exp.DataType.Type.BOOLEAN: r"^(?i:true|false)$",
}
_UNDERLINE = re.compile(r"\x1b\[\d+m")


def parse(sql: str, label: str = "query") -> exp.Expr:
    """The one statement in `sql`, parsed as GoogleSQL.

    Raises:
        WarehouseError: it does not parse, or is not exactly one statement; names `label`.
    """
    try:
        statements = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except SqlglotError as error:
        # Its messages underline for a terminal.
        raise WarehouseError(f"{label}: not readable as GoogleSQL: {_UNDERLINE.sub('', str(error))}") from error
    if len(statements) != 1:
        raise WarehouseError(f"{label}: {len(statements)} statements; give exactly one")
    return statements[0]


def to_duckdb(sql: str, parameter_types: Mapping[str, str] | None = None, label: str = "query") -> str:
    """GoogleSQL text → DuckDB text that gives the same rows.

    Args:
        sql: one statement; `@name` parameters become `$name`.
        parameter_types: DuckDB type of each parameter; those named are cast, so that they cannot be bound narrower.
        label: what errors call the statement.
    Raises:
        WarehouseError: the text does not parse, or holds a construct that has no faithful translation.
    """
    # The platform runs the same few statements over and over, and translating one takes longer than running it.
    return _translate(sql, tuple(sorted((parameter_types or {}).items())), label)


@functools.lru_cache(maxsize=512)
def _translate(sql: str, parameter_types: tuple[tuple[str, str], ...], label: str) -> str:
    tree = parse(sql, label)
    try:
        for kind, rule in _RULES:
            # Deepest first: a rule copies its children, which by then are translated.
            for node in reversed(list(tree.find_all(kind, bfs=True))):
                replacement = rule(node)
                if replacement is not None:
                    node.replace(replacement)
        _cast_parameters(tree, dict(parameter_types))
        # Names are quoted, since DuckDB reserves other words; it ignores their case all the same.
        return tree.sql(dialect="duckdb", identify=True, unsupported_level=sqlglot.ErrorLevel.IGNORE)
    except SqlglotError as error:
        raise WarehouseError(f"{label}: no DuckDB form: {error}") from error
    except _RefusedError as error:
        raise WarehouseError(f"{label}: {error} (see gnn_core/sql/README.md)") from error


class _RefusedError(Exception):
    """A construct that DuckDB would answer differently."""


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _cast(node: exp.Expr, to: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(to, dialect="duckdb"))


def _type_of(node: exp.Expr) -> exp.Expr:
    return _call("TYPEOF", node.copy())


def _unit(node: exp.Expr) -> str:
    unit = node.args.get("unit")
    return unit.name.upper() if unit is not None and unit.name else str(unit or "DAY").upper()


def _number(node: exp.Expr) -> exp.Expr | None:
    """`1.5` is FLOAT64 in GoogleSQL, DECIMAL in DuckDB, unless an exponent follows."""
    if node.is_string or not re.fullmatch(r"\d*\.\d*", node.name):
        return None
    return exp.Literal(this=f"{node.name}e0", is_string=False)


def _regexp_extract(node: exp.Expr) -> exp.Expr:
    """No match is NULL in GoogleSQL, '' in DuckDB."""
    if not isinstance(node.expression, exp.Literal | exp.RawString):
        raise _RefusedError("REGEXP_EXTRACT with a pattern that is not a literal")
    if node.args.get("position") or node.args.get("occurrence"):
        raise _RefusedError("REGEXP_EXTRACT with position or occurrence")
    matches = _call("REGEXP_MATCHES", node.this.copy(), node.expression.copy())
    return exp.Paren(this=exp.Case(ifs=[exp.If(this=matches, true=node.copy())]))


def _timestamp_diff(node: exp.Expr) -> exp.Expr:
    """GoogleSQL counts whole units; DuckDB's DATE_DIFF counts crossed boundaries."""
    unit = exp.Literal.string(_unit(node).lower())
    return _call("DATESUB", unit, node.expression.copy(), node.this.copy())


def _date_diff(node: exp.Expr) -> exp.Expr | None:
    if _unit(node) == "ISOWEEK":
        raise _RefusedError("DATE_DIFF by ISOWEEK; write WEEK(MONDAY)")
    return None


def _as_date(node: exp.Expr) -> exp.Expr:
    """DATE ± INTERVAL gives a timestamp in DuckDB."""
    return _cast(node.copy(), "DATE")


def _truncate(node: exp.Expr) -> exp.Expr | None:
    """Weeks start on Sunday in GoogleSQL, on Monday in DuckDB, whose DATE_TRUNC may also give a timestamp."""
    unit = _unit(node)
    if unit == "WEEK":
        raise _RefusedError("truncation by WEEK (Sundays); write ISOWEEK")
    if unit == "ISOWEEK":
        node.set("unit", exp.var("WEEK"))
    return _cast(node.copy(), "DATE") if isinstance(node, exp.DateTrunc) else None


def _safe_function(node: exp.Expr) -> exp.Expr:
    inner = node.this
    if not isinstance(inner, exp.StrToDate | exp.StrToTime):
        raise _RefusedError(f"SAFE.{inner.key.upper()}")
    parsed = _call("TRY_STRPTIME", inner.this.copy(), inner.args["format"].copy())
    return _cast(parsed, "DATE" if isinstance(inner, exp.StrToDate) else "TIMESTAMPTZ")


def _cast_rule(node: exp.Expr) -> exp.Expr | None:
    """Casts between text and numbers, where the two engines disagree without an error."""
    to, value = node.args["to"].this, node.this
    if isinstance(node, exp.TryCast):
        if to not in _CAST_TEXTS:
            return None
        text = exp.Literal.string(_CAST_TEXTS[to])
        odd = exp.And(
            this=exp.EQ(this=_type_of(value), expression=exp.Literal.string("VARCHAR")),
            expression=exp.Not(this=_call("REGEXP_MATCHES", _cast(value.copy(), "TEXT"), text)),
        )
        return exp.Paren(this=exp.Case(ifs=[exp.If(this=odd, true=exp.Null())], default=_rounding(node)))
    if isinstance(value, exp.Parameter) or (isinstance(value, exp.Literal) and (value.is_string or value.is_int)):
        return None
    if to == exp.DataType.Type.BIGINT:
        return _rounding(node)
    if to in (exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR):
        is_float = exp.EQ(this=_type_of(value), expression=exp.Literal.string("DOUBLE"))
        short = _call("REGEXP_REPLACE", node.copy(), exp.Literal.string(r"\.0$"), exp.Literal.string(""))
        return exp.Paren(this=exp.Case(ifs=[exp.If(this=is_float, true=short)], default=node.copy()))
    return None


def _rounding(node: exp.Expr) -> exp.Expr:
    """2.5 → 3 in GoogleSQL (half away from zero), 2 in DuckDB (half to even)."""
    if node.args["to"].this != exp.DataType.Type.BIGINT:
        return node.copy()
    is_float = exp.EQ(this=_type_of(node.this), expression=exp.Literal.string("DOUBLE"))
    number = exp.TryCast(this=node.this.copy(), to=exp.DataType.build("DOUBLE"))
    rounded = type(node)(this=_call("ROUND", number), to=node.args["to"].copy())
    return exp.Paren(this=exp.Case(ifs=[exp.If(this=is_float, true=rounded)], default=node.copy()))


def _format(node: exp.Expr) -> exp.Expr:
    """FORMAT is printf in GoogleSQL, and something else in DuckDB."""
    if not isinstance(node.this, exp.Literal) or re.search(r"%[^%a-zA-Z]*[tTpP]", node.this.name):
        raise _RefusedError("FORMAT with %t, %T or %p, or with a format that is not a literal")
    return _call("PRINTF", node.this.copy(), *(argument.copy() for argument in node.expressions))


def _unnest(node: exp.Expr) -> exp.Expr | None:
    """WITH OFFSET counts from 0, WITH ORDINALITY from 1."""
    offset = node.args.get("offset")
    if not offset:
        return None
    alias = node.args.get("alias")
    value = alias.columns[0].copy() if alias is not None and alias.columns else exp.to_identifier("_value")
    position = offset.copy() if isinstance(offset, exp.Identifier) else exp.to_identifier("offset", quoted=True)
    inner = exp.Unnest(
        expressions=[item.copy() for item in node.expressions],
        offset=position.copy(),
        alias=exp.TableAlias(this=exp.to_identifier("_items"), columns=[value.copy()]),
    )
    from_zero = exp.Sub(this=exp.Column(this=position.copy()), expression=exp.Literal.number(1))
    rows = exp.select(exp.Column(this=value.copy()), exp.alias_(from_zero, position.copy())).from_(inner)
    join = node.parent
    if isinstance(join, exp.Join) and join.side and not join.args.get("on"):
        join.set("on", exp.true())  # sqlglot adds it for an UNNEST, and would make a comma of it for a subquery
    return exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier("_numbered")))


def _array_agg(node: exp.Expr) -> exp.Expr | None:
    """ARRAY_AGG(x IGNORE NULLS ORDER BY y LIMIT n): the first two of the three are not DuckDB's."""
    body, holder = node.this, node.parent
    skip_nulls, limited = isinstance(holder, exp.IgnoreNulls), isinstance(body, exp.Limit)
    if not (skip_nulls or limited):
        return None
    aggregate: exp.Expr = node.copy()
    if limited:
        aggregate.set("this", body.this.copy())
    if skip_nulls:
        value = aggregate.this
        while isinstance(value, exp.Order | exp.Distinct):
            value = value.this if isinstance(value, exp.Order) else value.expressions[0]
        present = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
        aggregate = exp.Filter(this=aggregate, expression=exp.Where(this=present))
    if limited:
        aggregate = _call("LIST_SLICE", aggregate, exp.Literal.number(1), body.expression.copy())
    if isinstance(holder, exp.IgnoreNulls):
        holder.replace(aggregate)
        return None
    return aggregate


def _extract(node: exp.Expr) -> exp.Expr | None:
    part = node.this.name.upper()
    if part == "DATE":
        return _cast(node.expression.copy(), "DATE")
    if part == "DAYOFWEEK":  # 1 is Sunday in GoogleSQL, 0 in DuckDB
        return exp.Paren(this=exp.Add(this=node.copy(), expression=exp.Literal.number(1)))
    if part == "ISOWEEK":  # DuckDB's WEEK is the ISO week
        return exp.Extract(this=exp.var("WEEK"), expression=node.expression.copy())
    if part == "WEEK":
        raise _RefusedError("EXTRACT(WEEK …) (Sundays); write ISOWEEK")
    return None


def _count_if(node: exp.Expr) -> exp.Expr:
    """Over no rows it is 0 in GoogleSQL, NULL in DuckDB."""
    counted = exp.Case(ifs=[exp.If(this=node.this.copy(), true=exp.Literal.number(1))])
    return exp.Count(this=counted)


def _division(node: exp.Expr) -> exp.Expr | None:
    """x / 0 is an error in GoogleSQL and infinity in DuckDB."""
    if isinstance(node.expression, exp.Literal) and not node.expression.is_string and float(node.expression.name) != 0:
        return None
    zero = exp.EQ(this=exp.Paren(this=node.expression.copy()), expression=exp.Literal.number(0))
    failure = _call("ERROR", exp.Literal.string("division by zero; use SAFE_DIVIDE"))
    return exp.Paren(this=exp.Case(ifs=[exp.If(this=zero, true=failure)], default=node.copy()))


def _cast_parameters(tree: exp.Expr, types: Mapping[str, str]) -> None:
    for node in list(tree.find_all(exp.Parameter)):
        name = node.name
        if name in types:
            node.replace(_cast(node.copy(), types[name]))


_RULES: tuple[tuple[type[exp.Expr], Callable[[exp.Expr], exp.Expr | None]], ...] = (
    (exp.Literal, _number),
    (exp.RegexpExtract, _regexp_extract),
    (exp.TimestampDiff, _timestamp_diff),
    (exp.DateDiff, _date_diff),
    (exp.DateSub, _as_date),
    (exp.DateAdd, _as_date),
    (exp.DateTrunc, _truncate),
    (exp.TimestampTrunc, _truncate),
    (exp.SafeFunc, _safe_function),
    (exp.Cast, _cast_rule),  # TryCast is one too
    (exp.Format, _format),
    (exp.Unnest, _unnest),
    (exp.ArrayAgg, _array_agg),
    (exp.Extract, _extract),
    (exp.CountIf, _count_if),
    (exp.Div, _division),
)
