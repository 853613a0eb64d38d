"""What the simulator holds to be true is what the pipeline finds: ids, fitment, eligibility, SQL scores."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gnn_core.config import load_settings
from gnn_core.contracts import CONTRACTS, require
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.eligibility import eligible_products
from gnn_core.scoring.sql_baseline import SqlRecommender
from gnn_core.simulate import store_profile, write_raw
from gnn_core.snapshot import build_snapshot
from gnn_core.stores import WeekTables, stage_table

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "gnn_config.yaml"
CUTOFF = np.datetime64("2026-01-31")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "null_store"])
def test_pipeline_finds_the_truth(name, request):
    store = request.getfixturevalue(name)
    truth = store.truth
    settings = load_settings(CONFIG, [store_profile(store.size, store.seed)])
    warehouse, week = DuckDbWarehouse(":memory:", settings.warehouse), WeekTables(dt.date(2026, 3, 2))
    write_raw(store, warehouse, settings)
    for table in CONTRACTS:
        stage_table(warehouse, table, week, settings)
    tables = {table: warehouse.read(week.table(table)).to_pandas() for table in CONTRACTS}
    require(tables, as_of=pd.Timestamp("2026-03-02", tz="UTC"))
    snapshot = build_snapshot(tables, np.datetime64("2026-03-02"))

    assert list(snapshot.user_ids) == sorted(truth.user_ids)
    assert np.array_equal(snapshot.vehicle_ids, truth.vehicle_ids)
    assert np.array_equal(snapshot.product_ids, truth.product_ids)
    assert (snapshot.fits_VP != truth.shop.catalogue.fits_VP).nnz == 0
    assert np.array_equal(
        np.bincount(snapshot.base_P), np.bincount(pd.factorize(truth.shop.catalogue.base_P, sort=True)[0])
    )
    eligible = eligible_products(snapshot.products, settings.eligibility)["eligible"].to_numpy()
    launched = truth.shop.catalogue.launch_P < np.datetime64("2026-03-01", "us").astype(int)
    assert np.array_equal(eligible[launched], truth.eligible_P[launched])

    sql = SqlRecommender(warehouse, week, "v5.18", settings)
    train = snapshot.before(CUTOFF)
    sql.fit(train)
    users = np.arange(0, len(snapshot.user_ids), 7)
    audience, row = build_audience(train, users)
    sql.prepare(audience)
    found = sql.score_block(0, len(audience))[row]
    wanted = truth.sql_scores(snapshot.user_ids[users], snapshot.product_ids, CUTOFF)
    wanted = np.where(eligible[None, :] & (wanted >= 0), wanted, -1)
    assert np.abs(found - wanted).max() < 1e-4
    # A tie is a tie in both, so the two lists are the same to the last place.
    assert np.array_equal(
        np.argsort(-found, axis=1, kind="stable")[:, :10],
        np.argsort(-np.round(wanted, 4), axis=1, kind="stable")[:, :10],
    )
