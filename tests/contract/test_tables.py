"""The plan of `gnn init` and what it makes, on every warehouse."""

from dataclasses import replace

import pyarrow as pa
import pytest

from gnn_core.config.tables import TableLayout
from gnn_core.io.warehouse import TableName
from gnn_core.program.tables import CREATE, DIFFERS, EXISTS, RUN, make_missing, plan, tables_made_beforehand
from gnn_core.publishing.schema import live_table
from gnn_core.publishing.state import live_state, read_ledger
from tests.core.model.worlds import small_settings


@pytest.fixture
def settings(dataset):
    """Two datasets that do not exist yet."""
    base = small_settings()
    names = {"work_dataset": f"{dataset}_work", "serving_dataset": f"{dataset}_serving"}
    return replace(base, warehouse=replace(base.warehouse, **names))


def states(warehouse, settings):
    return {line.name: line.state for line in plan(warehouse, settings)}


def test_the_plan_names_everything_and_changes_nothing(any_warehouse, settings):
    found = states(any_warehouse, settings)
    wanted = {str(w.table) for w in tables_made_beforehand(settings)}
    assert len(wanted) == 9
    assert {name for name, state in found.items() if state == CREATE} == wanted | {
        settings.warehouse.work_dataset,
        settings.warehouse.serving_dataset,
    }
    assert found[str(live_table(settings))] == RUN
    assert not any_warehouse.has_dataset(settings.warehouse.serving_dataset)


def test_making_what_is_missing_twice_is_making_it_once(any_warehouse, settings):
    make_missing(any_warehouse, settings)
    assert set(states(any_warehouse, settings).values()) == {EXISTS, RUN}
    for wanted in tables_made_beforehand(settings):
        assert any_warehouse.columns(wanted.table) == wanted.columns
        if any_warehouse.engine == "bigquery":
            assert any_warehouse.layout_of(wanted.table) == wanted.layout
    any_warehouse.load(TableName(settings.warehouse.serving_dataset, "other"), pa.table({"a": [1]}))
    make_missing(any_warehouse, settings)
    assert set(states(any_warehouse, settings).values()) == {EXISTS, RUN}


def test_an_empty_ledger_is_not_a_publish(any_warehouse, settings):
    make_missing(any_warehouse, settings)
    assert live_state(any_warehouse, settings) is None
    assert read_ledger(any_warehouse, settings) == []


def test_a_table_with_other_columns_differs_and_is_left_alone(any_warehouse, settings):
    ledger = TableName(settings.warehouse.serving_dataset, settings.cost.ledger)
    any_warehouse.ensure_dataset(ledger.dataset)
    any_warehouse.load(ledger, pa.table({"asset": ["x"], "usd": ["much"], "colour": ["red"]}))
    (line,) = [line for line in plan(any_warehouse, settings) if line.name == str(ledger)]
    assert line.state == DIFFERS
    assert "no column at TIMESTAMP" in line.seen
    assert "column usd is STRING, not FLOAT64" in line.seen
    assert "a column colour that nobody fills" in line.seen
    make_missing(any_warehouse, settings)
    assert any_warehouse.columns(ledger) == {"asset": "STRING", "usd": "STRING", "colour": "STRING"}


def test_a_table_that_lies_otherwise_differs_where_tables_lie_at_all(any_warehouse, settings):
    make_missing(any_warehouse, settings)
    other = replace(settings.layouts, cost_ledger=TableLayout(None, ("asset",)))
    changed = states(any_warehouse, replace(settings, layouts=other))
    expected = DIFFERS if any_warehouse.engine == "bigquery" else EXISTS
    assert changed[f"{settings.warehouse.serving_dataset}.{settings.cost.ledger}"] == expected
