"""What an artifact says of the vectors in it, and what is compared with what: fitted small, written, read back."""

from types import SimpleNamespace

import dagster as dg
import numpy as np
import pytest

from gnn_assets import models
from gnn_assets.assets.drift import _embeddings
from gnn_assets.checks.monitoring import monitoring_checks
from gnn_core.experiment.guards import embedding_guard
from gnn_core.experiment.rollout import GREEN, NO_DATA, RED
from gnn_core.io.artifacts import ArtifactStore, json_bytes
from gnn_core.model.recommender import GraphRecommender
from gnn_core.monitoring.blocks import score_shares
from gnn_core.scoring.audience import build_audience, segment_audience
from tests.core.model.worlds import small_settings, two_platforms

KEY = "2026-02-23"
HYBRID = {"decision.json": json_bytes({"policy": "hybrid", "promoted": True, "alpha": 0.5, "reason": "by hand"})}


@pytest.fixture(scope="module")
def fitted():
    world, settings = two_platforms(), small_settings()
    model = GraphRecommender(settings, max_steps=2)
    model.fit(world)
    return world, settings, model


@pytest.fixture
def week(fitted, tmp_path):
    world, settings, _ = fitted
    store = ArtifactStore(str(tmp_path), settings)
    return SimpleNamespace(
        key=KEY, settings=settings, store=store, snapshot=lambda: world, warehouse=None,
        read=lambda name: store.read(KEY, name),
    )  # fmt: skip


def test_the_facts_are_the_models_parts_and_their_shares_of_its_scores(fitted, week):
    world, _, model = fitted
    facts = models.vector_facts(week, model, world)
    assert facts["blocks"] == model.vector_blocks()
    cold, warm = facts["shares"]["without a history"], facts["shares"]["with a history"]
    assert cold["items"] == cold["spectral"] == 0
    assert sum(cold.values()) == pytest.approx(1)
    assert sum(warm.values()) == pytest.approx(1)
    # Every user with a history is asked where there are few, each as they are scored.
    active = build_audience(world, np.unique(world.events.user_E))[0]
    assert warm == score_shares(model.user_vectors(active), model.product_vectors(), model.vector_blocks())
    of_vehicles = model.user_vectors(segment_audience(world))
    assert cold == score_shares(of_vehicles, model.product_vectors(), model.vector_blocks())


def test_vectors_are_read_back_whole_and_only_where_their_parts_are_told(fitted, week):
    world, _, model = fitted
    facts = models.vector_facts(week, model, world)
    told = week.store.write(KEY, "promoted_model", models.served_vectors(model, world), meta=facts)
    space = models.stored_space(told)
    ids, vectors = space.vectors["products"]
    assert ids.tolist() == world.product_ids.tolist()
    assert vectors == pytest.approx(model.product_vectors())
    assert space.part("vehicles", "bias").tolist() == [[1.0]] * len(world.segment_ids)
    assert space.shares == facts["shares"]
    for missing in ("blocks", "shares"):
        rest = {name: value for name, value in facts.items() if name != missing}
        assert models.stored_space(week.store.write(KEY, "x", models.served_vectors(model, world), meta=rest)) is None


def _written(fitted, week, change=lambda v: v, facts=None):
    """The judged model, and a served one with other product vectors; both of the same fit."""
    world, _, model = fitted
    facts = models.vector_facts(week, model, world) if facts is None else facts
    files = models.served_vectors(model, world)
    week.store.write(KEY, "embeddings", files, meta={"fitted_before": str(world.as_of), **facts})
    changed = models.vector_table("product_id", world.product_ids, change(model.product_vectors()))
    served = HYBRID | files | {"products.parquet": models.parquet_bytes(changed)}
    return week.store.write(KEY, "promoted_model", served, meta=facts)


@pytest.mark.parametrize(
    ("change", "state"),
    [(lambda v: v, GREEN), (lambda v: v[::-1], RED), (lambda v: 3 * v, RED)],
    ids=["as fitted", "exchanged", "tripled"],
)
def test_what_is_served_is_compared_with_what_was_judged(fitted, week, change, state, monkeypatch):
    monkeypatch.setattr("gnn_assets.assets.drift.read_ledger", lambda *_: [])
    week.store.weeks = lambda: [KEY]
    content, inputs = _embeddings(week, _written(fitted, week, change))
    assert content["reference"].startswith("the model that gate 1 judged")
    assert [artifact.manifest.name for artifact in inputs] == ["promoted_model", "embeddings"]
    assert embedding_guard(content).state == state


def test_vectors_that_do_not_tell_what_they_are_made_of_hold_the_rollout(fitted, week, monkeypatch):
    monkeypatch.setattr("gnn_assets.assets.drift.read_ledger", lambda *_: [])
    content, _ = _embeddings(week, _written(fitted, week, facts={"blocks": {"all": [0, 5]}}))
    assert content == {
        "state": f"{KEY}/embeddings and {KEY}/promoted_model was written before vectors told what they are made of"
    }
    assert embedding_guard(content).state == NO_DATA


@pytest.mark.parametrize(
    ("drift", "passed", "severity"),
    [
        ({"state": "compared", "reference": "r", "breaks": [], "changes": [], "warns": False}, True, None),
        ({"state": "compared", "reference": "r", "breaks": [], "changes": ["Told."], "warns": False}, True, None),
        ({"state": "compared", "reference": "r", "breaks": [], "changes": ["Moved."], "warns": True}, False, "WARN"),
        ({"state": "compared", "reference": "r", "breaks": ["Far."], "changes": [], "warns": True}, False, "ERROR"),
        ({"state": "compared", "reference": "r", "breaks": ["Far."], "changes": [], "warns": False}, False, "ERROR"),
        ({"state": "sql is served: it has no vectors"}, True, None),
    ],
    ids=["kept", "told", "moved", "broken and moved", "broken", "no vectors"],
)
def test_a_score_that_moved_is_a_warning_and_broken_vectors_are_an_error(drift, passed, severity):
    check = next(
        made for made in monitoring_checks()
        if {key.name for key in made.check_keys} == {"the_vectors_keep_their_limits"}
    )  # fmt: skip
    week = SimpleNamespace(read=lambda _: SimpleNamespace(json=lambda _: drift))
    found = check.op.compute_fn.decorated_fn(None, SimpleNamespace(week=lambda _: week))
    assert found.passed == passed
    if severity is not None:
        assert found.severity == dg.AssetCheckSeverity[severity]
        assert all(word in found.description for word in (*drift["breaks"], *drift["changes"]))
