"""What a warehouse says about its own cost, the same for both engines where they can agree."""

import datetime as dt
from types import SimpleNamespace

import pyarrow as pa
import pytest

from gnn_core.io.bigquery import BigQueryWarehouse
from gnn_core.io.warehouse import TableName, label_value
from tests.fixtures.warehouse import warehouse_settings

SINCE = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def test_what_is_stored_grows_with_what_is_written(any_warehouse, dataset):
    assert sum(any_warehouse.stored_bytes("nothing_here").values()) >= 0
    any_warehouse.ensure_dataset(dataset)
    any_warehouse.load(TableName(dataset, "t"), pa.table({"n": list(range(100_000))}))
    sizes = any_warehouse.stored_bytes(dataset)
    assert sizes
    assert all(size >= 0 for size in sizes.values())
    if any_warehouse.engine == "duckdb":
        assert sum(sizes.values()) > 100_000


def test_jobs_are_asked_of_the_engine_itself(any_warehouse, dataset):
    before = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    # A load, since the emulator forgets the labels of queries; those are summed below.
    any_warehouse.load(TableName(dataset, "t"), pa.table({"n": [1]}))
    found = any_warehouse.bytes_billed(before, {"application": "tests"}, "statement")
    if any_warehouse.engine == "bigquery":
        assert found["load"] == 0  # statements of other tests in this minute may stand beside it
    else:
        assert found == {}
    assert any_warehouse.bytes_billed(before, {"application": "another"}, "statement") == {}


def test_an_embedded_engine_bills_nothing(duckdb_warehouse):
    duckdb_warehouse.query("SELECT 1 AS n")
    assert duckdb_warehouse.bytes_billed(SINCE, {"dagster_run": "r1"}, "dagster_step") == {}


def _job(step, billed, **labels):
    named = {"dagster_run": "r1", **({"dagster_step": step} if step else {}), **labels}
    return SimpleNamespace(labels=named, total_bytes_billed=billed)


class _Client:
    def __init__(self, jobs):
        self.jobs, self.asked = jobs, {}

    def list_jobs(self, **options):
        self.asked = options
        return self.jobs


@pytest.fixture
def billed():
    jobs = [
        _job("sql_scores", 10_485_760),
        _job("sql_scores", 2**30),
        _job("audit", None),
        _job("audit", 500, dagster_run="another"),
        _job(None, 700),
        SimpleNamespace(labels={"dagster_run": "r1", "dagster_step": "load"}),
        SimpleNamespace(labels=None, total_bytes_billed=900),
    ]
    client = _Client(jobs)
    warehouse = BigQueryWarehouse(warehouse_settings(engine="bigquery"), client=client, storage_client=object())
    return client, warehouse.bytes_billed(SINCE, {"dagster_run": "r1"}, "dagster_step")


def test_bytes_billed_are_those_of_this_runs_jobs_by_step(billed):
    client, found = billed
    assert found == {"sql_scores": 2**30 + 10_485_760, "audit": 0, "load": 0}
    assert client.asked["min_creation_time"] == SINCE


@pytest.mark.parametrize(
    ("text", "label"),
    [("raw_users", "raw_users"), ("Audit: price floor", "audit-price-floor"), ("x" * 80, "x" * 63)],
)
def test_values_of_labels_are_what_bigquery_allows(text, label):
    assert label_value(text) == label
