"""An in-memory warehouse."""

import pytest

from gnn_core.io.duckdb import DuckDbWarehouse
from tests.core.staging.raw_store import SETTINGS


@pytest.fixture
def warehouse():
    """An empty in-memory warehouse."""
    return DuckDbWarehouse(":memory:", SETTINGS.warehouse)
