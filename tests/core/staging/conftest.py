"""The wart store, staged once for all tests that only read it."""

import pytest

from gnn_core.io.duckdb import DuckDbWarehouse
from tests.core.staging.raw_store import SETTINGS, WARTS, load_raw, stage_all
from tests.core.staging.translated import translated_once


@pytest.fixture(scope="package", autouse=True)
def quick():
    """Every statement is translated once for the whole package."""
    with translated_once():
        yield


@pytest.fixture
def warehouse():
    """An empty in-memory warehouse."""
    return DuckDbWarehouse(":memory:", SETTINGS.warehouse)


@pytest.fixture(scope="package")
def staged(quick):
    """(warehouse, drops by table) of the wart store; read only."""
    store = load_raw(DuckDbWarehouse(":memory:", SETTINGS.warehouse), WARTS)
    return store, stage_all(store)
