"""Fixtures of the publishing tests: an in-memory warehouse that holds one week of a store of ten users."""

import pytest

from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.publishing import audit
from gnn_core.publishing.publisher import publish, stage
from gnn_core.publishing.rules import ROW_RULES
from gnn_core.publishing.state import live_state
from tests.core.publishing.world import AT, WEEK, as_table, fill, good_rows, make_settings

SETTINGS = make_settings()


@pytest.fixture
def few_rules(monkeypatch):
    """Two row rules instead of all, for tests of the steps around the audit, which publish many times."""
    monkeypatch.setattr(audit, "ROW_RULES", [r for r in ROW_RULES if r.name in ("price_floor", "finite_scores")])


@pytest.fixture
def settings():
    """The shipped configuration, with limits for ten users."""
    return SETTINGS


@pytest.fixture
def warehouse():
    """The week's contract tables, and nothing published yet."""
    return fill(DuckDbWarehouse(":memory:", SETTINGS.warehouse))


@pytest.fixture(scope="module")
def served():
    """A warehouse with run r1 live, shared by tests that must not change it."""
    warehouse = fill(DuckDbWarehouse(":memory:", SETTINGS.warehouse))
    staging = stage(warehouse, as_table(good_rows("r1")), "r1", SETTINGS)
    publish(warehouse, staging, WEEK, SETTINGS, expected_digest=None, at=AT)
    return warehouse


@pytest.fixture(scope="module")
def live_before(served):
    """State of `served` before any test."""
    return live_state(served, SETTINGS)
