"""Published vectors on every warehouse: written whole, live by one row, and searched by dot product alone."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from gnn_core.errors import ContractError, PublishRefused, WarehouseError
from gnn_core.io.sql import load_sql
from gnn_core.model.recommender import GraphRecommender
from gnn_core.publishing import embeddings
from gnn_core.publishing.embeddings import (
    SCHEMAS,
    Vectors,
    content_digest,
    drop_old,
    go_live,
    has_version,
    live_vectors,
    read_version,
    table_of,
    write_version,
)
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.vectors import vectors_of
from tests.core.model.worlds import small_settings, two_platforms

AT = dt.datetime(2026, 6, 1, 6, tzinfo=dt.UTC)
WEEK = dt.date(2026, 5, 25)


def version(run_id, *, scale=1.0, products=("P1", "P2", "P3")):
    """Two dimensions by hand. P3 is the longest and points away from u1's taste; by angle alone P1 would lead."""
    first = {"run_id": run_id, "week": WEEK, "model_version": "m1"}
    of = {"P1": [1.0, 0.0], "P2": [2.0, 2.0], "P3": [9.0, -1.0]}
    rows = {
        "products": [
            {**first, "product_id": p, "part_type": "Seat", "eligible": True, "vector": [scale * x for x in of[p]]}
            for p in products
        ],
        "vehicles": [{**first, "segment_id": "ford|mustang", "make": "ford", "vector": [1.0, 0.5]}],
        "audience": [
            {**first, "row_id": 0, "users": 2, "has_history": False, "vector": [1.0, 0.0]},
            {**first, "row_id": 1, "users": 1, "has_history": True, "vector": [0.0, 1.0]},
        ],
        "users": [{**first, "user_id": user, "row_id": row} for user, row in (("u1", 0), ("u2", 0), ("u3", 1))],
    }
    return Vectors(**{key: pa.Table.from_pylist(rows[key], schema=schema) for key, schema in SCHEMAS.items()})


@pytest.fixture
def settings(dataset):
    base = small_settings()
    return replace(base, warehouse=replace(base.warehouse, serving_dataset=dataset))


def nearest(warehouse, settings, user):
    tables = {key: table_of(settings, key) for key in ("live", "users", "audience", "products")}
    rows = warehouse.query(load_sql("publishing/nearest_products"), tables=tables, parameters={"user": user})
    return {row["product_id"]: row["dot_product"] for row in rows.to_pylist()}


def publish(warehouse, settings, run_id, **changes):
    digest = write_version(warehouse, settings, version(run_id, **changes))
    return go_live(warehouse, settings, run_id, expected_digest=digest, at=AT)


def test_a_version_is_read_back_as_it_was_written_and_one_row_makes_it_live(any_warehouse, settings):
    assert live_vectors(any_warehouse, settings) is None
    digest = write_version(any_warehouse, settings, version("r1"))
    assert live_vectors(any_warehouse, settings) is None
    state = go_live(any_warehouse, settings, "r1", expected_digest=digest, at=AT)
    assert live_vectors(any_warehouse, settings) == state
    assert (state.run_id, state.week, state.published_at, state.dimensions) == ("r1", WEEK, AT, 2)
    assert (state.products, state.vehicles, state.audience, state.users) == (3, 1, 2, 3)
    assert content_digest(read_version(any_warehouse, settings, "r1")) == digest == content_digest(version("r1"))


def test_search_is_by_dot_product_within_the_live_run(any_warehouse, settings):
    publish(any_warehouse, settings, "r1")
    write_version(any_warehouse, settings, version("r2", scale=-1.0))
    assert nearest(any_warehouse, settings, "u1") == {"P3": 9.0, "P2": 2.0, "P1": 1.0}
    assert list(nearest(any_warehouse, settings, "u3")) == ["P2", "P1", "P3"]
    go_live(any_warehouse, settings, "r2", expected_digest=None, at=AT)
    assert nearest(any_warehouse, settings, "u1") == {"P1": -1.0, "P2": -2.0, "P3": -9.0}


def test_writing_the_same_version_again_adds_nothing(any_warehouse, settings):
    publish(any_warehouse, settings, "r1")
    publish(any_warehouse, settings, "r1")
    assert any_warehouse.row_count(table_of(settings, "users")) == 3
    assert any_warehouse.row_count(table_of(settings, "live")) == 1


def test_other_rows_under_a_written_run_are_refused_and_what_is_live_stays(any_warehouse, settings):
    before = publish(any_warehouse, settings, "r1")
    with pytest.raises(PublishRefused, match="embeddings of run r1: digest"):
        write_version(any_warehouse, settings, version("r1", scale=2.0))
    assert live_vectors(any_warehouse, settings) == before


@pytest.mark.parametrize("killed_at", ["products", "vehicles", "audience", "users", "pointer"])
def test_a_crash_between_any_two_writes_leaves_the_old_version_live_and_repeating_completes(
    any_warehouse, settings, monkeypatch, killed_at
):
    before = publish(any_warehouse, settings, "r1")
    killed = table_of(settings, "live" if killed_at == "pointer" else killed_at)
    load = type(any_warehouse).load

    def dying(self, target, rows, **options):
        if target == killed:
            raise OSError("power cut")
        return load(self, target, rows, **options)

    monkeypatch.setattr(type(any_warehouse), "load", dying)
    with pytest.raises(OSError, match="power cut"):
        publish(any_warehouse, settings, "r2", scale=3.0)
    assert live_vectors(any_warehouse, settings) == before
    assert nearest(any_warehouse, settings, "u1")["P3"] == 9.0
    monkeypatch.undo()
    publish(any_warehouse, settings, "r2", scale=3.0)
    assert nearest(any_warehouse, settings, "u1")["P3"] == 27.0
    assert any_warehouse.row_count(table_of(settings, "products")) == 6


def test_half_a_version_does_not_go_live(any_warehouse, settings):
    before = publish(any_warehouse, settings, "r1")
    rows = version("r2").products
    any_warehouse.load(table_of(settings, "products"), rows, replace=False)
    with pytest.raises(PublishRefused, match="no rows in vehicles, audience, users"):
        go_live(any_warehouse, settings, "r2", expected_digest=None, at=AT)
    assert live_vectors(any_warehouse, settings) == before


def test_old_versions_go_and_the_live_one_stays_whatever_its_age(any_warehouse, settings):
    kept = replace(settings, embeddings=replace(settings.embeddings, keep_versions=2))
    drop_old(any_warehouse, kept, ["r0"])  # before anything was ever written
    for run in ("r1", "r2", "r3", "r4"):
        write_version(any_warehouse, kept, version(run))
    go_live(any_warehouse, kept, "r1", expected_digest=None, at=AT)
    drop_old(any_warehouse, kept, ["r1", "r2", "r3", "r4"])
    assert [r for r in ("r1", "r2", "r3", "r4") if has_version(any_warehouse, kept, r)] == ["r1", "r3", "r4"]
    assert nearest(any_warehouse, kept, "u1")["P3"] == 9.0


def without(table, column, value):
    return table.set_column(table.column_names.index(column), column, pa.array(value, table.schema.field(column).type))


@pytest.mark.parametrize(
    ("key", "column", "value", "says"),
    [
        ("products", "product_id", ["P1", "P1", "P2"], "products.product_id repeats"),
        ("products", "vector", [[1.0, float("nan")], [1.0, 2.0], [3.0, 4.0]], "not finite"),
        ("products", "vector", [[1.0], [1.0], [3.0]], r"vectors of \[1, 2\] dimensions"),
        ("products", "part_type", ["Seat", None, "Seat"], "products.part_type has nulls"),
        ("users", "row_id", [0, 0, 7], r"1 row\(s\) that audience does not have, such as 7"),
        ("vehicles", "run_id", ["r9"], r"rows of runs \['r1', 'r9'\]"),
    ],
)
def test_an_unsound_version_is_not_written(any_warehouse, settings, key, column, value, says):
    good = version("r1")
    bad = Vectors(**{**good.tables, key: without(good.tables[key], column, value)})
    with pytest.raises(ContractError, match=says):
        write_version(any_warehouse, settings, bad)
    assert not any_warehouse.exists(table_of(settings, "products"))


def test_a_second_row_in_the_pointer_is_somebody_elses(any_warehouse, settings):
    publish(any_warehouse, settings, "r1")
    pointer = table_of(settings, "live")
    any_warehouse.load(pointer, any_warehouse.read(pointer), replace=False)
    with pytest.raises(WarehouseError, match="holds 2 rows instead of one"):
        live_vectors(any_warehouse, settings)


def test_a_cold_users_dot_product_is_the_models_score_and_a_vehicle_set_has_one_vector(any_warehouse, settings):
    world, model = two_platforms(), GraphRecommender(small_settings(), max_steps=2)
    model.fit(world)
    eligible = np.ones(len(world.product_ids), dtype=bool)
    vectors = vectors_of(model, world, eligible, run_id="r1", week=WEEK, model_version="m")
    write_version(any_warehouse, settings, vectors)
    go_live(any_warehouse, settings, "r1", expected_digest=None, at=AT)

    user = list(world.user_ids).index("cold000")
    audience, _ = build_audience(world, np.array([user]))
    model.prepare(audience)
    scores = dict(zip(world.product_ids, model.score_block(0, 1)[0], strict=True))
    found = nearest(any_warehouse, settings, "cold000")
    assert found == pytest.approx({p: float(s) for p, s in scores.items()}, rel=1e-4, abs=1e-5)

    row_of = dict(zip(vectors.users["user_id"].to_pylist(), vectors.users["row_id"].to_pylist(), strict=True))
    assert row_of["cold000"] == row_of["cold001"] != row_of["cold010"]
    shared = vectors.audience.to_pylist()[row_of["cold000"]]
    assert (shared["users"], shared["has_history"]) == (2, False)
    assert sum(vectors.audience["users"].to_pylist()) == len(world.user_ids)
    assert vectors.audience.to_pylist()[row_of["u0000"]]["has_history"]


def test_digest_sees_one_bit_and_no_order():
    good = version("r1")
    turned = Vectors(**{key: rows.take(list(range(rows.num_rows))[::-1]) for key, rows in good.tables.items()})
    assert content_digest(turned) == content_digest(good)
    nudged = without(good.products, "vector", [[np.nextafter(1.0, 2.0), 0.0], [2.0, 2.0], [9.0, -1.0]])
    assert content_digest(replace(good, products=nudged)) != content_digest(good)
    assert embeddings.SCHEMAS["products"].field("vector").type == pa.list_(pa.float64())
