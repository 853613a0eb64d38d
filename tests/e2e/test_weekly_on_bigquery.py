"""The whole week with the official clients: BigQuery behind its emulator, artifacts in the GCS emulator.

What belongs here: what one run leaves in the cloud's stead, and that it is what DuckDB would have published. What does
not: anything in which the emulator is silently wrong. It stores a copy and a load, so rows are counted and read back;
it keeps no promise about bytes billed, repeated job ids, `num_rows` or `modified`, so nothing here asks for those
(tests/core/io/test_sql_bigquery.py looks at the requests instead).
"""

import fsspec
import pytest

from gnn_core.io.bigquery import BigQueryWarehouse
from gnn_core.io.emulators import BIGQUERY_GRPC, BIGQUERY_REST, GCS, gcs_options
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.digest import table_digest
from gnn_core.publishing.schema import live_table, wide_view
from gnn_core.publishing.state import read_ledger
from tests.fixtures.gcs import BUCKET
from tests.fixtures.installation import QUICK, Installation

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(900)]

WEEK = "2026-02-23"
ROOT = f"gs://{BUCKET}/weekly"
IN_THE_CLOUD = {
    **QUICK,
    "warehouse": {"engine": "bigquery", "project": "weekly-project"},
    "artifacts": {"root": ROOT},
}


@pytest.fixture(scope="module")
def store(bigquery_emulator, gcs_emulator, tmp_path_factory):
    """The tiny store of every end-to-end test, simulated into the emulator; and one weekly run on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BIGQUERY_REST, bigquery_emulator.rest)
        patch.setenv(BIGQUERY_GRPC, bigquery_emulator.storage)
        patch.setenv(GCS, gcs_emulator)
        installation = Installation.create(tmp_path_factory.mktemp("cloud") / "store", IN_THE_CLOUD)
        installation.gnn("init", "--yes")
        installation.gnn("simulate", "tiny")
        printed = installation.gnn("run")
        assert "BLOCKED" not in printed, printed
        yield installation


def test_the_run_used_nothing_but_the_cloud(store):
    assert isinstance(store.warehouse, BigQueryWarehouse)
    assert not list(store.root.rglob("*.duckdb"))
    assert not (store.environment.state_dir / "artifacts").exists()
    bucket = fsspec.filesystem("gs", **gcs_options(ROOT))
    assert bucket.exists(f"{BUCKET}/weekly/{WEEK}/eval_report/current.json")


def test_what_is_published_is_what_duckdb_publishes(store, published_store):
    """Equal to the last bit of every score: one store, one configuration, two engines."""
    here, there = store.live, published_store.installation.live
    assert (here.rows, here.users, here.source) == (there.rows, there.users, there.source)
    assert here.digest == there.digest
    assert here.run_id != there.run_id


def test_the_ledger_the_kept_version_and_the_view_say_the_same(store):
    live = store.live
    assert live.recorded
    (entry,) = read_ledger(store.warehouse, store.settings)
    assert (entry.run_id, entry.digest, entry.n_rows) == (live.run_id, live.digest, live.rows)
    assert table_digest(store.warehouse, TableName.parse(entry.version)) == live.digest
    assert store.warehouse.row_count(live_table(store.settings)) == live.rows
    assert store.warehouse.row_count(wide_view(store.settings)) == live.users


def test_tables_made_beforehand_are_the_ones_that_the_run_filled(store):
    """With the layout that `gnn init` gave them: rows are appended, and the plan finds nothing to do."""
    assert "Everything is there; nothing to do." in store.gnn("init")
    costs = store.warehouse.layout_of(TableName("serving", "cost_ledger"))
    assert costs == store.settings.layouts.cost_ledger
    assert store.warehouse.row_count(TableName("serving", "cost_ledger")) > 10


def test_no_scratch_table_is_left(store):
    work = store.settings.warehouse.work_dataset
    left = store.warehouse.list_tables(work)
    assert [t for t in left if t.startswith(("scratch_", "audit_eligible", "doctor_"))] == []
    assert [t for t in left if t.startswith("recommendation_candidates__")]


def test_status_and_doctor_know_where_they_are(store):
    found = store.status()
    assert found["warehouse"] == "bigquery:weekly-project"
    assert found["report"].startswith(ROOT)
    assert found["published"]["digest"] == store.live.digest
    assert "BAD" not in store.gnn("doctor")


def test_a_bad_candidate_is_refused_by_hand_too_and_the_table_stays(store):
    warehouse, before = store.warehouse, store.live
    (staging,) = (TableName("work", t) for t in warehouse.list_tables("work", "recommendation_candidates__"))
    rows = warehouse.read(staging)
    prices = rows["price"].to_pylist()
    cheap = rows.set_column(rows.column_names.index("price"), "price", [[1.0, *prices[1:]]])
    warehouse.load(staging, cheap)
    try:
        printed = store.gnn("publish", code=1)
        assert "PublishRefused" in printed
        assert "price_floor" in printed
        assert store.live == before
    finally:
        warehouse.load(staging, rows)
