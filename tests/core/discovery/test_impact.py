"""A published table against a week in which every kind of fact has changed, once; on both engines."""

import datetime as dt

import pandas as pd
import pyarrow as pa
import pytest

from gnn_core.contracts import conform
from gnn_core.discovery.impact import FACTS, LOST, measure_impact, published_before, week_before
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.audit import hashed_user
from gnn_core.publishing.publisher import publish, stage
from gnn_core.publishing.schema import live_table
from gnn_core.stores.week import WeekTables
from tests.core.builders import make_tables
from tests.core.publishing.world import AT, WEEK, as_table, fill, good_rows, make_settings

pytestmark = pytest.mark.slow

CAR, NOVA, VAN = "1969|chevrolet|camaro", "1972|chevrolet|nova", "1999|ford|econoline"
EVERY = {p: [CAR, NOVA, VAN] for p in ("A", "B", "C", "D", "E", "F")}
OWNS = {u: [CAR] for u in ("ann", "bob", "cid", "dee")} | {"eve": [NOVA], "gus": [VAN], "hal": [CAR]}
BEFORE = {"owns": OWNS, "fits": EVERY, "products": {}, "events": []}
AFTER = {
    "owns": {u: v for u, v in OWNS.items() if u != "gus"} | {"eve": [CAR], "ida": [CAR]},
    "fits": {p: [CAR, NOVA, VAN] for p in ("B", "C", "D", "E", "N")} | {"F": [NOVA, VAN]},
    "products": {"B": {"price": 20.0}, "C": {"is_refurbished": True}},
    "events": [("dee", "D", "order", "2026-05-30", "o1")],
}


def rows(lists, run, source="hybrid"):
    base = good_rows(run)[0] | {"source": source}
    return as_table(
        [
            base | {"user_id": user, "vehicle_id": vehicle, "slot": slot, "product_id": product, "final_score": -slot}
            | ({"source": "sql_v5.18"} if user == "hal" and run == "new" else {})
            for (user, vehicle), products in lists.items()
            for slot, product in enumerate(products, start=1)
        ]
    )  # fmt: skip


OLD_LISTS = {
    ("ann", CAR): "ABC",  # product gone, price below the rule, no longer eligible
    ("bob", CAR): "FDE",  # fitment removed; D only loses its rank; E stays
    ("cid", CAR): "DE",  # gets no list any more
    ("dee", CAR): "DE",  # bought D since
    ("eve", NOVA): "DE",  # owns another vehicle now
    ("gus", VAN): "DE",  # gone
    ("hal", CAR): "DE",  # another policy serves
}
NEW_LISTS = {
    ("ann", CAR): "ED",
    ("bob", CAR): "EN",
    ("dee", CAR): "EN",
    ("eve", CAR): "NE",
    ("hal", CAR): "EN",
    ("ida", CAR): "ED",
}


@pytest.fixture
def world(any_warehouse, dataset):
    settings = make_settings(
        warehouse={"work_dataset": dataset, "serving_dataset": dataset}, eligibility={"min_products_per_vehicle": 1}
    )
    weeks = {}
    for day, store in ((1, AFTER), (-6, BEFORE)):
        week = WeekTables(dt.date(2026, 6, 1) + dt.timedelta(days=day - 1), dataset)
        for name, frame in make_tables(**store).items():
            if name not in ("sends", "engagements"):
                any_warehouse.load(week.table(name), conform(name, pa.Table.from_pandas(frame, preserve_index=False)))
        weeks[day] = week
    old, new = TableName(dataset, "old"), TableName(dataset, "new")
    any_warehouse.load(old, rows(OLD_LISTS, "old"))
    any_warehouse.load(new, rows(NEW_LISTS, "new"))
    return any_warehouse, old, new, weeks[1], weeks[-6], settings


def told(frame):
    return {(r["user_id"], r["product_id"]): r["reason"] for r in frame.to_dict("records")}


def test_every_reason_by_hand(world):
    warehouse, old, new, week, previous, settings = world
    found = measure_impact(warehouse, old, new, week, previous, settings)
    assert told(found.lost) == {
        ("ann", "A"): "product gone",
        ("ann", "B"): "price below the rule",
        ("ann", "C"): "no longer eligible",
        ("bob", "F"): "fitment removed",
        ("bob", "D"): "rank only",
        ("cid", "D"): "no list any more",
        ("cid", "E"): "no list any more",
        ("dee", "D"): "bought since",
        ("eve", "D"): "vehicle no longer owned",
        ("gus", "D"): "user gone",
        ("gus", "E"): "user gone",
        ("hal", "D"): "policy changed",
    }
    assert told(found.gained) == {
        ("ann", "E"): "rank only",
        ("ann", "D"): "rank only",
        ("bob", "N"): "new product",
        ("dee", "N"): "new product",
        ("eve", "N"): "vehicle newly owned",
        ("hal", "N"): "new product",
        ("ida", "E"): "user newly served",
        ("ida", "D"): "user newly served",
    }
    # ann and bob lose slots by catalogue or fitment; purchases, vehicles and users are no change of the catalogue.
    assert (found.users, found.users_losing, found.lost_share) == (7, 2, pytest.approx(2 / 7))
    reasons = found.by_reason()
    assert reasons.loc[0].to_dict() == {"change": "lost", "reason": "no list any more", "slots": 2, "users": 1}
    assert set(reasons.loc[reasons["change"] == "lost", "reason"]) == set(LOST) - {"too few products for the vehicle"}
    text = str(found.as_json())
    assert hashed_user("ann") in text
    assert not any(f"'{user}'" in text for user in OWNS)
    models = {(r["change"], r["segment_id"], r["reason"]): r["slots"] for r in found.by_model(99).to_dict("records")}
    assert models["lost", "chevrolet|nova", "vehicle no longer owned"] == 1


def test_without_the_week_before_newer_facts_are_not_told_apart(world):
    warehouse, old, new, week, _, settings = world
    found = told(measure_impact(warehouse, old, new, week, None, settings).gained)
    assert found["ida", "E"] == "user newly served"
    assert found["bob", "N"].startswith("not told apart")


def test_facts_alone_before_there_are_candidates(world):
    warehouse, old, _, week, previous, settings = world
    found = measure_impact(warehouse, old, None, week, previous, settings)
    assert set(found.lost["reason"]) <= set(FACTS)
    # E is ranked no more for cid, but nothing forbids it; eve's E falls with her vehicle.
    assert told(found.lost)["eve", "E"] == "vehicle no longer owned"
    assert ("cid", "D") not in told(found.lost)
    assert found.gained.empty
    assert found.candidates is None


def test_a_vehicle_that_became_too_thin_is_named(world):
    warehouse, old, new, week, previous, _ = world
    dataset = old.dataset
    thin = make_settings(
        warehouse={"work_dataset": dataset, "serving_dataset": dataset}, eligibility={"min_products_per_vehicle": 4}
    )
    found = told(measure_impact(warehouse, old, new, week, previous, thin).lost)
    assert found["cid", "D"] == "too few products for the vehicle"


def test_equal_tables_have_no_impact(world):
    warehouse, old, _, _, previous, settings = world
    found = measure_impact(warehouse, old, old, previous, previous, settings)
    assert (len(found.lost), len(found.gained), found.lost_share) == (0, 0, 0.0)
    assert found.by_reason().empty
    assert found.sample(2) == []


def test_the_week_before_is_found_where_its_tables_still_are(world):
    warehouse, _, _, week, previous, _ = world
    assert week_before(warehouse, week) == previous
    assert week_before(warehouse, previous) is None


def test_candidates_are_compared_with_what_they_replace():
    settings = make_settings()
    warehouse = fill(DuckDbWarehouse(":memory:", settings.warehouse))
    assert published_before(warehouse, settings, "r1") is None
    staging = stage(warehouse, as_table(good_rows("r1")), "r1", settings)
    publish(warehouse, staging, WEEK, settings, expected_digest=None, at=AT)
    assert published_before(warehouse, settings, "r2") == live_table(settings)
    assert published_before(warehouse, settings, None) == live_table(settings)
    # Asked again after its own publish, a run is still compared with the version before it.
    assert published_before(warehouse, settings, "r1") is None
    staging = stage(warehouse, as_table(good_rows("r2")), "r2", settings)
    publish(warehouse, staging, WEEK, settings, expected_digest=None, at=AT + dt.timedelta(days=7))
    assert str(published_before(warehouse, settings, "r2")) == "serving.recommendations__v_r1"
    found = measure_impact(
        warehouse, published_before(warehouse, settings, "r2"), live_table(settings), WEEK, None, settings
    )
    assert isinstance(found.lost, pd.DataFrame)
    assert found.lost.empty
