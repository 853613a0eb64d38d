"""The same SQL on BigQuery: a store staged and scored there has the rows that it has on DuckDB."""

from dataclasses import replace

import pytest

from gnn_core.contracts import CONTRACTS
from gnn_core.io.open import open_emulator
from gnn_core.scoring.sql_baseline import compute_sql_scores
from tests.core.baseline import stores
from tests.core.staging.raw_store import SETTINGS, WARTS, WEEK, load_raw, rows_of, stage_all

pytestmark = pytest.mark.emulator


@pytest.fixture
def bigquery(bigquery_emulator):
    """The emulator, in a project that no other test uses."""
    settings = replace(SETTINGS.warehouse, engine="bigquery", project="staging-project")
    return open_emulator(settings, bigquery_emulator.rest, bigquery_emulator.storage)


def test_every_wart_is_staged_alike(bigquery, staged):
    on_duckdb, drops = staged
    load_raw(bigquery, WARTS)
    assert {name: set(d) for name, d in stage_all(bigquery).items()} == {name: set(d) for name, d in drops.items()}
    for name in CONTRACTS:
        assert rows_of(bigquery, name) == rows_of(on_duckdb, name)


@pytest.mark.parametrize("version", ["v5.17", "v5.18"])
def test_scores_and_lists_are_alike(bigquery, warehouse, version):
    tables = stores.random_store(5)
    settings = stores.with_settings(
        scoring={"universal_candidates": 2}, baseline={"make_min_orders": 12, "universal_top_n": 3}
    )
    found = []
    for engine in (bigquery, warehouse):
        stores.load_week(engine, tables)
        scores = compute_sql_scores(engine, WEEK, stores.CUTOFF, version, settings)
        found.append(
            [
                stores.rows_of(engine, scores.segment_scores, "segment_id", "product_id", "tier", "score"),
                stores.rows_of(engine, scores.lists, "user_id", "slot", "product_id", "vehicle_id", "score"),
                scores.coverage,
            ]
        )
    assert found[0] == found[1]
    assert len(found[0][1]) > 60
