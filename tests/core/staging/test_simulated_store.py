"""A simulated store knows what truly happened: staging finds exactly that behind the disfigured source tables."""

import datetime as dt

import numpy as np
import pandas as pd

from gnn_core.config import load_settings
from gnn_core.contracts import EVENT_TYPES
from gnn_core.simulate import simulate, store_profile, write_raw
from gnn_core.stores import WeekTables, stage_table
from tests.core.staging.raw_store import CONFIG, rows_of

WEEK = WeekTables(dt.date(2026, 3, 2))


def test_staging_finds_every_event_of_the_store_once(warehouse):
    store = simulate("tiny", seed=3)
    settings = load_settings(CONFIG, [store_profile("tiny", 3)])
    write_raw(store, warehouse, settings)
    for name in ("users", "products", "events"):
        stage_table(warehouse, name, WEEK, settings)
    truth = store.truth
    assert [u for (u,) in rows_of(warehouse, "users", "user_id", week=WEEK)] == sorted(truth.user_ids)

    past = truth.ledger.take(truth.ledger.ts_E < int(WEEK.moment.timestamp() * 1e6))
    happened = zip(
        truth.user_ids[past.person_E],
        truth.product_ids[past.product_E],
        np.array(EVENT_TYPES)[past.kind_E],
        pd.to_datetime(past.ts_E, unit="us").strftime("%Y-%m-%d"),
        strict=True,
    )
    found = rows_of(warehouse, "events", "user_id", "product_id", "event_type", "event_ts", week=WEEK)
    assert len(found) > 1000
    assert sorted((u, p, kind, f"{ts:%Y-%m-%d}") for u, p, kind, ts in found) == sorted(happened)
