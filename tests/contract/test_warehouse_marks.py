"""A mark moves when rows arrive, and only then, on each engine.

The emulator keeps no time of change of a partition, so that on BigQuery only arriving rows are proven here; a row that
was exchanged for another is proven on DuckDB.
"""

import datetime as dt

import pyarrow as pa
import pytest
from google.cloud import bigquery

from gnn_core.errors import WarehouseError
from gnn_core.io.warehouse import TableName

AS_OF = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
IN, LATE, NEXT = (dt.datetime(2026, m, d, 12, tzinfo=dt.UTC) for m, d in ((3, 1), (1, 5), (3, 2)))


def rows(*moments):
    return pa.table({"id": list(range(len(moments))), "at": pa.array(moments, pa.timestamp("us", tz="UTC"))})


@pytest.fixture
def table(any_warehouse, dataset):
    """One row of the week, in a table that is partitioned by day where the engine knows partitions."""
    name = TableName(dataset, "events")
    if any_warehouse.engine == "bigquery":
        made = bigquery.Table(
            any_warehouse._id(name), [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("at", "TIMESTAMP")]
        )
        made.time_partitioning = bigquery.TimePartitioning(field="at")
        any_warehouse._client.create_table(made)
        any_warehouse.load(name, rows(IN), replace=False)
    else:
        any_warehouse.load(name, rows(IN))
    return name


def test_late_rows_move_the_mark_of_a_week_and_rows_of_the_next_do_not(any_warehouse, table):
    def mark(**week):
        return any_warehouse.mark(table, **week)

    week = {"time_column": "at", "before": AS_OF}
    first, whole = mark(**week), mark()
    assert mark(**week) == first
    any_warehouse.load(table, rows(NEXT), replace=False)
    assert mark(**week) == first
    assert mark() != whole
    any_warehouse.load(table, rows(LATE), replace=False)
    assert mark(**week) != first


def test_a_table_without_partitions_is_marked_whole(any_warehouse, dataset):
    name = TableName(dataset, "catalogue")
    any_warehouse.load(name, rows(IN))
    before = any_warehouse.mark(name)
    assert any_warehouse.mark(name) == before
    any_warehouse.load(name, rows(IN), replace=False)
    assert any_warehouse.mark(name) != before


def test_an_exchanged_row_moves_the_mark(duckdb_warehouse):
    name = TableName("d", "catalogue")
    duckdb_warehouse.ensure_dataset("d")
    duckdb_warehouse.load(name, rows(IN, LATE))
    before = duckdb_warehouse.mark(name)
    duckdb_warehouse.load(name, rows(IN, NEXT))
    assert duckdb_warehouse.mark(name) != before


def test_a_column_that_is_not_there_is_named(duckdb_warehouse):
    name = TableName("d", "catalogue")
    duckdb_warehouse.ensure_dataset("d")
    duckdb_warehouse.load(name, rows(IN))
    with pytest.raises(WarehouseError, match="no column when; there are id, at"):
        duckdb_warehouse.mark(name, time_column="when", before=AS_OF)


@pytest.mark.emulator
def test_a_view_cannot_be_watched_and_says_what_to_do(bigquery_warehouse):
    bigquery_warehouse.ensure_dataset("marks")
    base, view = TableName("marks", "base"), TableName("marks", "seen")
    bigquery_warehouse.load(base, rows(IN))
    bigquery_warehouse.create_view(view, "SELECT id FROM {base}", tables={"base": base})
    with pytest.raises(WarehouseError, match=r"it is a view.*make it a table"):
        bigquery_warehouse.mark(view)
