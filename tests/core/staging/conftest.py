"""The wart store, staged once for all tests that only read it."""

import pytest

from gnn_core.io.duckdb import DuckDbWarehouse
from tests.core.staging.raw_store import SETTINGS, WARTS, load_raw, stage_all


@pytest.fixture
def warehouse():
    """An empty in-memory warehouse."""
    return DuckDbWarehouse(":memory:", SETTINGS.warehouse)


@pytest.fixture(scope="package")
def staged():
    """(warehouse, drops by table) of the wart store; read only."""
    store = load_raw(DuckDbWarehouse(":memory:", SETTINGS.warehouse), WARTS)
    return store, stage_all(store)
