"""Embedding drift against its limits: a turned space keeps them, each way of breaking names itself."""

import dataclasses

import numpy as np
import pytest

from gnn_core.experiment.guards import embedding_guard
from gnn_core.experiment.rollout import GREEN, NO_DATA, RED
from gnn_core.monitoring.embeddings import EmbeddingDrift, embedding_drift
from tests.core.experiment.experiment_world import ALL

LIMITS = ALL.monitoring
RNG = np.random.default_rng(7)
IDS = np.array([f"p{i:03d}" for i in range(400)], dtype=object)
OLD = RNG.normal(size=(400, 6)) + 3.0
TURN = np.linalg.qr(RNG.normal(size=(6, 6)))[0]


def _drift(new, ids=IDS, old=OLD, limits=LIMITS, **more):
    kinds = {"products": (ids, new), **more}
    before = {"products": (IDS, old), "vehicles": (np.array(["v1"], dtype=object), np.ones((1, 6)))}
    return embedding_drift(before, kinds, limits, reference="the model published last", seed=1)


def test_a_turned_space_keeps_every_limit_and_new_products_do_not_count():
    ids = np.append(IDS[::-1], "new")
    found = _drift(np.vstack([(OLD @ TURN)[::-1], np.full((1, 6), 1e6)]), ids)
    assert found.breaks == ()
    assert found.new_entities == {"products": 1}
    assert found.kinds["products"].entities == 400
    assert embedding_guard(found.as_json()).state == GREEN


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (OLD * 1.5, "median norm changed by +50.0%"),
        (OLD[np.random.default_rng(1).permutation(400)], "mean cosine after the best rotation"),
        (OLD + 2 * np.random.default_rng(2).normal(size=OLD.shape), "of the nearest neighbours are kept"),
        (OLD * np.where(np.arange(400) % 2, 3.0, 0.4)[:, None], "PSI of norms"),
    ],
    ids=["larger", "exchanged", "noise", "two groups"],
)
def test_every_limit_is_named_when_it_breaks_and_turns_the_guard_red(new, words):
    found = _drift(new)
    assert any(words in sentence for sentence in found.breaks), found
    guard = embedding_guard(found.as_json())
    assert guard.state == RED
    assert words in guard.sentence


def test_what_all_products_share_is_no_likeness():
    # A common direction alone would make exchanged rows look alike: cosine .9 and more.
    far = OLD + 30
    exchanged = _drift(far[np.random.default_rng(1).permutation(400)], old=far)
    assert exchanged.kinds["products"].aligned_cosine < 0.3


def test_a_store_of_one_vehicle_has_no_neighbourhood_of_vehicles():
    found = _drift(OLD, vehicles=(np.array(["v1"], dtype=object), np.ones((1, 6))))
    assert isinstance(found, EmbeddingDrift)
    assert set(found.kinds) == {"products"}


def test_what_cannot_be_compared_is_said_and_holds_the_rollout():
    assert "5 dimensions, those of the model published last 6" in _drift(OLD[:, :5])
    assert "only 7 are known to both" in _drift(OLD[:7], IDS[:7])
    guard = embedding_guard({"state": "sql_v5.18 is served: it has no vectors"})
    assert (guard.state, "sql_v5.18" in guard.sentence) == (NO_DATA, True)
    assert embedding_guard(None).state == NO_DATA


def test_limits_come_from_the_settings():
    strict = dataclasses.replace(LIMITS, max_norm_change=0.01)
    assert _drift(OLD * 1.1).breaks == ()
    assert len(_drift(OLD * 1.1, limits=strict).breaks) == 1
