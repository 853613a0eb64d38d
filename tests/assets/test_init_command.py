"""`gnn init` on the embedded warehouse: plan, make, refuse."""

import pyarrow as pa
import pytest

from gnn_core.io.warehouse import TableName
from tests.fixtures.installation import Installation


@pytest.fixture
def store(tmp_path):
    return Installation.create(tmp_path / "store")


def test_it_shows_the_plan_first_and_makes_what_is_missing_when_told(store):
    said = store.gnn("init")
    assert "11 to make; nothing was changed" in said
    assert "neither partitions nor clusters" in said
    assert store.warehouse.list_tables("serving") == []
    assert "Made 11" in store.gnn("init", "--yes")
    assert len(store.warehouse.list_tables("serving")) == 9
    assert "Everything is there; nothing to do." in store.gnn("init", "--yes")


def test_it_refuses_to_touch_a_table_that_differs_and_says_what_to_do(store):
    ledger = TableName("serving", "publish_ledger")
    store.warehouse.ensure_dataset("serving")
    store.warehouse.load(ledger, pa.table({"mine": [1]}))
    said = store.gnn("init", "--yes", code=1)
    assert "a column mine that nobody fills" in said
    assert "Nothing was made." in said
    assert "copy the table aside" in said
    assert store.warehouse.list_tables("serving") == ["publish_ledger"]
    assert store.warehouse.read(ledger).to_pydict() == {"mine": [1]}
