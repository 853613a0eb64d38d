"""The real data sets: they load, keep the contract, and show the facts that their description states.

The SQL cascade is computed here from its definition, on arrays, so that a wrong mapping cannot hide behind the code
that the pipeline uses for it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gnn_core.contracts import CONTRACTS, violations
from gnn_core.graph.split import build_timeline
from gnn_core.snapshot import build_snapshot
from gnn_core.stores.public import load_store, offered

pytestmark = pytest.mark.real_data


def load(real_data, settings_of, name, **options):
    """Frames of a store, after its contract was checked, and its windows."""
    store = load_store(name, real_data, **options)
    frames = {table: rows.to_pandas() for table, rows in store.tables.items()}
    assert [v for table in CONTRACTS for v in violations(table, frames)] == []
    settings = settings_of(store)
    return frames, build_timeline(np.datetime64(settings.store.last_week) + 7, settings.split)


def test_the_folder_offers_four_stores(real_data):
    assert offered(real_data) == ["beauty", "online_retail", "retailrocket", "sports"]


def cascade_recall(frames, cut):
    """Recall@10 of the SQL cascade on a cut, and the share of the owners with orders there who are evaluable.

    Best score over a user's vehicles; ties by product id; no business rules.
    """
    snapshot = build_snapshot(frames, cut.end)
    train = snapshot.before(cut.fitted_before).events
    n_U, n_P = len(snapshot.user_ids), len(snapshot.product_ids)
    orders_UP = sparse.csr_matrix((np.ones(len(train)), (train.user_E, train.product_E)), shape=(n_U, n_P))
    owns_US, make_S = snapshot.owns_US, snapshot.make_S
    ones = np.ones(len(make_S))
    owns_UM = (owns_US @ sparse.csr_matrix((ones, (np.arange(len(make_S)), make_S)))).sign()
    segment_SP = (owns_US.T @ orders_UP).toarray()
    make_SP = (owns_UM.T @ orders_UP).toarray()[make_S]
    anywhere_P = np.asarray(orders_UP.sum(axis=0))
    by_segment = (segment_SP.sum(axis=1, keepdims=True) >= 5) & (segment_SP >= 2)
    by_make = (make_SP.sum(axis=1, keepdims=True) >= 20) & (make_SP >= 2)
    score_SP = np.where(by_make, np.log1p(make_SP) * 8, np.log1p(anywhere_P) * 2)
    score_SP = np.where(by_segment, np.log1p(segment_SP) * 10, score_SP)

    held = snapshot.events.between(cut.start, cut.end)
    fits_UP = (snapshot.owns_UV @ snapshot.fits_VP).tocsr()
    fits_SP = snapshot.fits_SP.toarray() > 0
    bought_UP = sparse.csr_matrix((np.ones(len(held)), (held.user_E, held.product_E)), shape=(n_U, n_P))
    positives_UP = bought_UP.multiply(fits_UP > 0).tocsr()
    recalls = []
    for user in np.flatnonzero(positives_UP.getnnz(axis=1)):
        candidates = np.sort(fits_UP[user].indices)
        owned = owns_US[user].indices
        scores = np.where(fits_SP[owned][:, candidates], score_SP[owned][:, candidates], -np.inf).max(axis=0)
        top = candidates[np.argsort(-scores, kind="stable")[:10]]
        positives = positives_UP[user].indices
        recalls.append(np.isin(positives, top).sum() / len(positives))
    return float(np.mean(recalls)), len(recalls) / len(np.unique(held.user_E))


@pytest.mark.parametrize(
    ("name", "owners", "products", "vehicles", "evaluable", "sql_at"),
    [
        ("sports", 29_509, 18_357, 192, 0.352, {0.5: 0.170, 0.9: 0.175, 0.98: 0.147}),
        ("beauty", 18_238, 12_101, 100, 0.395, {0.5: 0.205, 0.9: 0.175, 0.98: 0.156}),
    ],
)
def test_the_cold_protocol_reproduces_its_published_facts(
    real_data, settings_of, name, owners, products, vehicles, evaluable, sql_at
):
    for share, sql in sql_at.items():
        frames, timeline = load(real_data, settings_of, name, cold_share=share)
        assert len(frames["users"]) == owners
        assert len(frames["products"]) == products
        assert frames["vehicles"]["segment_id"].nunique() == vehicles
        recall, share_evaluable = cascade_recall(frames, timeline.test[0])
        assert share_evaluable == pytest.approx(evaluable, abs=0.015)
        assert recall == pytest.approx(sql, abs=0.015), f"{name} with {share:.0%} cold"


@pytest.mark.parametrize(("name", "share"), [("sports", 0.061), ("beauty", 0.080)])
def test_the_last_item_matches_an_owned_attribute_as_often_as_described(real_data, settings_of, name, share):
    frames, _ = load(real_data, settings_of, name)
    last = frames["events"].sort_values("event_ts").groupby("user_id").tail(1)
    owned = frames["ownership"].merge(frames["fitment"], on="vehicle_id")[["user_id", "product_id"]].drop_duplicates()
    n_users = pd.read_parquet(real_data / f"{name}_sequences.parquet")["user_id"].nunique()
    assert len(last.merge(owned)) / n_users == pytest.approx(share, abs=0.0005)


def test_retailrocket_has_its_rows_and_windows(real_data, settings_of):
    frames, timeline = load(real_data, settings_of, "retailrocket")
    assert frames["events"]["event_type"].value_counts().to_dict() == {"view": 75_374, "cart": 12_456, "order": 9_551}
    assert (len(frames["users"]), len(frames["products"])) == (2_174, 29_905)
    assert [str(c.start)[:10] for c in timeline.cuts] == ["2015-06-20", "2015-07-10", "2015-07-30", "2015-08-19"]
    assert timeline.as_of == np.datetime64("2015-09-21")


def test_online_retail_has_its_rows_and_windows(real_data, settings_of):
    frames, timeline = load(real_data, settings_of, "online_retail")
    assert (len(frames["users"]), len(frames["products"])) == (4_314, 2_785)
    assert [str(c.start)[:10] for c in timeline.validation] == ["2011-06-01", "2011-08-01", "2011-09-01"]
    assert [str(c.start)[:10] for c in timeline.test] == ["2011-10-01", "2011-11-01"]
    assert timeline.as_of == np.datetime64("2011-12-05")
