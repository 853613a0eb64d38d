"""An in-memory warehouse, and statements that are translated once for the whole package."""

import pytest

from gnn_core.io.duckdb import DuckDbWarehouse
from tests.core.staging.raw_store import SETTINGS
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
