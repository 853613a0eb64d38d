"""Translating SQL for DuckDB once a statement, for tests that run the same thirty statements over and over."""

import functools

import pytest

from gnn_core.io import duckdb as engine
from gnn_core.io import sql

_PARSE = functools.cache(sql.parse)
_TRANSLATIONS: dict[tuple, str] = {}


@pytest.fixture(scope="module", autouse=True)
def translated_once():
    """Saves three quarters of the time of an audit of ten users."""
    translate = engine.to_duckdb

    def cached(text, types, label):
        key = (text, *sorted(types.items()))
        if key not in _TRANSLATIONS:
            _TRANSLATIONS[key] = translate(text, types, label)
        return _TRANSLATIONS[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql, "parse", _PARSE)
        patch.setattr(engine, "to_duckdb", cached)
        yield
