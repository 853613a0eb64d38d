"""The leak canary sings when something leaks, and is silent otherwise."""

import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch

from gnn_core.contracts import require
from gnn_core.errors import DataError
from gnn_core.evaluation.canary import leak_canary, plant_future, planted_rows, snapshot_digest, with_events
from gnn_core.graph.split import Cut
from gnn_core.model.recommender import GraphRecommender
from gnn_core.snapshot import ORDER, Snapshot, build_snapshot, micros
from gnn_core.training.determinism import pinned
from gnn_core.training.plan import build_plan
from tests.core.builders import make_tables
from tests.core.evaluation import world
from tests.core.evaluation.world import CUT
from tests.core.model.worlds import small_settings, two_platforms


def _pairs_digest(snapshot):
    """What a co-purchase graph would see: products of joint orders."""
    orders = snapshot.events.take(snapshot.events.kind_E == ORDER)
    pairs = sorted(zip(orders.order_E.tolist(), orders.product_E.tolist(), strict=True))
    return hashlib.sha256(str(pairs).encode()).hexdigest()


def _cutting(snapshot):
    return _pairs_digest(snapshot.before(CUT.fitted_before))


@pytest.fixture(scope="module")
def store():
    return world.snapshot()


def test_a_pipeline_that_cuts_passes(store):
    result = leak_canary(store, CUT, _cutting, seed=1)
    assert result.passed
    assert result.moved == ()
    # Six users, three baskets of two products, as views, carts and orders.
    assert result.planted == {"view": 36, "cart": 36, "order": 36}
    assert "changed nothing" in result.sentence
    json.dumps(result.as_json())


def test_a_graph_that_forgets_to_cut_is_caught(store):
    result = leak_canary(store, CUT, _pairs_digest, seed=1)
    assert not result.passed
    assert result.moved == ("graph",)
    assert result.sentence == f"leak canary: events planted after the cutoff of {CUT.name} changed the graph"


def test_a_cut_that_is_off_by_one_microsecond_is_caught(store, monkeypatch):
    before = Snapshot.before
    monkeypatch.setattr(Snapshot, "before", lambda self, cutoff: before(self, cutoff + np.timedelta64(1, "us")))
    result = leak_canary(store, CUT, _cutting, seed=1)
    assert result.moved == ("training snapshot", "graph", "baseline counts")


# The graph model itself: graph, constants, weights of the paths, and what gradient steps make of them.

MODEL_CUT = Cut("test_2026-05-20", "test", *np.array(["2026-05-20", "2026-05-20", "2026-06-01"], dtype="datetime64[D]"))


def _model_settings():
    """Windows of five days, so that weights are learned from earlier windows too."""
    base = small_settings()
    return dataclasses.replace(base, split=dataclasses.replace(base.split, horizon_days=5))


def _model_digest(train):
    model = GraphRecommender(_model_settings(), max_steps=2)
    model.fit(train)
    return model.to_checkpoint().digest() + hashlib.sha256(model.product_vectors().tobytes()).hexdigest()


def test_the_fitted_model_does_not_hear_the_canary():
    result = leak_canary(two_platforms(), MODEL_CUT, lambda w: _model_digest(w.before(MODEL_CUT.fitted_before)), seed=1)
    assert result.passed, result.sentence
    assert sum(result.planted.values()) > 1000


def test_a_model_fitted_on_everything_is_caught():
    result = leak_canary(two_platforms(), MODEL_CUT, _model_digest, seed=1)
    assert result.moved == ("graph",)


@pytest.mark.slow
def test_weights_learned_from_later_choices_are_caught_though_the_graph_is_cut():
    def leaky(whole):
        settings, train = _model_settings(), whole.before(MODEL_CUT.fitted_before)
        with pinned(1, 0):
            late = build_plan(whole, settings, torch.device("cpu"), folds=False).weights
            plan = build_plan(train, settings, torch.device("cpu"), weights=late, folds=False)
        inputs = plan.inputs
        constants = (inputs.product_const, inputs.vehicle_const_SD, inputs.cold_K, inputs.warm_K, inputs.warm_parts)
        return plan.graph.digest() + hashlib.sha256(b"".join(c.numpy().tobytes() for c in constants)).hexdigest()

    assert leak_canary(two_platforms(), MODEL_CUT, leaky, seed=1).moved == ("graph",)


def test_planted_events_are_all_at_or_after_the_cutoff_and_one_is_exactly_there(store):
    planted = plant_future(store, CUT, seed=1)
    assert planted.ts_E.min() == micros(CUT.fitted_before)
    assert planted.ts_E.max() < micros(CUT.end)


def test_joint_orders_repeat_so_that_co_purchase_edges_would_form(store):
    planted = plant_future(store, CUT, seed=1)
    orders = planted.take(planted.kind_E == ORDER)
    baskets = pd.DataFrame({"order": orders.order_E, "product": orders.product_E})
    pairs = baskets.groupby("order")["product"].agg(lambda p: tuple(sorted(set(p))))
    assert (pairs.map(len) == 2).all()
    assert pairs.value_counts().max() >= 2


def test_baskets_repeat_in_a_large_catalogue_too():
    many = [f"P{i:03d}" for i in range(400)]
    store = world.snapshot(owns={"ann": [world.NEW]}, fits={p: [world.NEW] for p in many}, events=[], products={})
    planted = plant_future(store, CUT, seed=1)
    orders = planted.take(planted.kind_E == ORDER)
    assert len(np.unique(orders.product_E)) == 2
    assert len(np.unique(orders.order_E)) == 3


def test_planting_is_deterministic(store):
    one, same, other = (plant_future(store, CUT, seed=s) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(same).values(), strict=True))
    assert not np.array_equal(one.ts_E, other.ts_E)


def test_planted_rows_keep_the_contract_and_mean_the_same_events(store):
    planted = plant_future(store, CUT, seed=1)
    tables = make_tables(owns=world.OWNS, fits=world.FITS, events=world.EVENTS, products=world.PARTS)
    tables["events"] = pd.concat([tables["events"], planted_rows(store, planted)], ignore_index=True)
    require(tables)
    rebuilt = build_snapshot(tables, store.as_of)
    direct = with_events(store, planted, CUT)
    for name in ("user_E", "product_E", "kind_E", "ts_E"):
        assert np.array_equal(getattr(rebuilt.events, name), getattr(direct.events, name))


def test_digest_sees_every_part_of_a_snapshot(store):
    digest = snapshot_digest(store)
    assert digest == snapshot_digest(world.snapshot())
    changes = {
        "price_P": store.price_P + 1,
        "as_of": store.as_of + np.timedelta64(1, "us"),
        "owns_UV": store.owns_UV * 2,
        "user_ids": np.array([*store.user_ids[:-1], "zoe"], dtype=object),
        "products": store.products.assign(name="other"),
        "events": store.events.take(np.arange(len(store.events) - 1)),
    }
    for name, value in changes.items():
        assert snapshot_digest(dataclasses.replace(store, **{name: value})) != digest, name


def test_a_store_without_users_cannot_host_a_canary():
    empty = world.snapshot(owns={}, events=[])
    with pytest.raises(DataError, match="0 users"):
        leak_canary(empty, CUT, _cutting, seed=1)
