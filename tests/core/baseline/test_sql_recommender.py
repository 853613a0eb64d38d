"""The cascade as a model: what it refuses, and intent of audiences that the warehouse has never seen."""

from dataclasses import replace

import numpy as np
import pytest

from gnn_core.errors import ContractError, LeakageError
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.sql_baseline import NOT_OFFERED, SqlRecommender, compute_sql_scores
from gnn_core.scoring.sql_intent import audience_intent
from gnn_core.snapshot import build_snapshot
from tests.core.baseline.stores import CUTOFF, load_week, random_store, rows_of
from tests.core.builders import AS_OF, make_tables
from tests.core.staging.raw_store import SETTINGS, WEEK

START = np.datetime64("2025-09-01", "us")


def test_intent_of_an_audience_is_that_of_the_intent_table(warehouse):
    tables = random_store(21)
    load_week(warehouse, tables)
    table = compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.17", SETTINGS).intent
    train = build_snapshot(tables, AS_OF).before(CUTOFF)
    audience, row_U = build_audience(train, np.arange(len(train.user_ids)))
    intent = audience_intent(audience, len(train.product_ids), START, SETTINGS.baseline).toarray()
    found = {
        (user, train.product_ids[p]): intent[row, p]
        for user, row in zip(train.user_ids, row_U, strict=True)
        for p in np.flatnonzero(intent[row])
    }
    want = {row[:2]: row[2] for row in rows_of(warehouse, table, "user_id", "product_id", "intent")}
    assert len(want) > 50
    assert found == pytest.approx(want, rel=1e-6)


def test_intent_counts_an_order_once_however_many_rows_it_has(warehouse):
    """Twice o1, o2, twice the 3rd without a number, once the 4th: four orders, in the table and in the audience."""
    car = "2018|ford|mustang"
    moments = [("2026-01-01", "o1"), ("2026-01-02", "o1"), ("2026-01-02", "o2")]
    moments += [("2026-01-03 08:00", None), ("2026-01-03 18:00", None), ("2026-01-04", None)]
    tables = make_tables(owns={"u": [car]}, fits={"A": [car]}, events=[("u", "A", "order", *m) for m in moments])
    load_week(warehouse, tables)
    table = compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.17", SETTINGS).intent
    train = build_snapshot(tables, AS_OF).before(CUTOFF)
    audience, _ = build_audience(train, np.array([0]))
    want = pytest.approx(np.log(5) * 20)
    assert rows_of(warehouse, table, "user_id", "product_id", "intent") == [("u", "A", want)]
    assert audience_intent(audience, 1, START, SETTINGS.baseline)[0, 0] == want


def test_intent_is_what_the_audience_knows_and_never_lifts_what_is_not_offered(warehouse):
    car = "2018|ford|mustang"
    tables = make_tables(
        owns={"u": [car]},
        fits={p: [car] for p in "ABCD"} | {"Z": ["1999|honda|civic"]},
        events=[("u", "A", "cart", "2026-04-01"), ("u", "Z", "order", "2026-04-01")],
    )
    load_week(warehouse, tables)
    train = build_snapshot(tables, AS_OF).before(CUTOFF)
    recommender = SqlRecommender(warehouse, WEEK, "v5.17", SETTINGS)
    recommender.fit(train)
    audience, _ = build_audience(train, np.array([0]))
    recommender.prepare(audience)
    np.testing.assert_allclose(recommender.score_block(0, 1)[0], [np.log(2) * 10, 0, 0, 0, NOT_OFFERED], rtol=1e-6)
    recommender.prepare(replace(audience, history=audience.history.take(np.array([], dtype=int))))
    np.testing.assert_array_equal(recommender.score_block(0, 1)[0], [0, 0, 0, 0, NOT_OFFERED])


def test_another_store_in_the_warehouse_is_refused(warehouse):
    tables = random_store(22)
    load_week(warehouse, tables)
    train = build_snapshot({**tables, "events": tables["events"].iloc[1:]}, AS_OF).before(CUTOFF)
    with pytest.raises(ContractError, match=r"the warehouse has .*events.* the snapshot"):
        SqlRecommender(warehouse, WEEK, "v5.18", SETTINGS).fit(train)


def test_a_snapshot_past_the_week_is_refused(warehouse):
    tables = random_store(22)
    load_week(warehouse, tables)
    with pytest.raises(LeakageError, match="lies after 2026-06-01"):
        SqlRecommender(warehouse, WEEK, "v5.18", SETTINGS).fit(build_snapshot(tables, np.datetime64("2026-06-08")))


def test_steps_out_of_order_are_named(warehouse):
    recommender = SqlRecommender(warehouse, WEEK, "v5.18", SETTINGS)
    with pytest.raises(ContractError, match="score_block before prepare"):
        recommender.score_block(0, 1)
    with pytest.raises(ContractError, match="prepare before fit"):
        recommender.prepare(None)
