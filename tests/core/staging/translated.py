"""Translating GoogleSQL for DuckDB costs more than running it on a few rows: translate each statement once."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gnn_core.io import duckdb as engine
from gnn_core.io import sql


@contextmanager
def translated_once() -> Iterator[None]:
    """While open, equal statements with equal parameter types are parsed and translated once."""
    parse, translate = functools.lru_cache(maxsize=None)(sql.parse), engine.to_duckdb
    translations: dict[tuple, str] = {}

    def cached(text, types, label):
        key = (text, *sorted(types.items()))
        if key not in translations:
            translations[key] = translate(text, types, label)
        return translations[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql, "parse", parse)
        patch.setattr(engine, "to_duckdb", cached)
        yield
