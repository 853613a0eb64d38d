"""Constants in a checkpoint: they come back to the bit, and nothing is computed again."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_core.errors import ArtifactError
from gnn_core.model.recommender import GraphRecommender
from gnn_core.training.checkpoint import from_bytes, to_bytes
from gnn_core.training.constants import ConstantMaker
from gnn_core.training.stored_constants import CONSTANTS, from_tensors, to_tensors
from tests.core.model.worlds import small_settings, two_platforms
from tests.core.training.watched import same

SETTINGS = small_settings({"vehicle_factors": 8, "item_factors": 4, "sparse_terms": True, "popularity_bias": True})
WORLD = two_platforms()


@pytest.fixture(scope="module")
def fitted() -> GraphRecommender:
    model = GraphRecommender(SETTINGS, max_steps=0)
    model.fit(WORLD)
    return model


def test_constants_come_back_to_the_bit(fitted):
    constants = fitted._plan.constants
    assert constants.items.near_PP.nnz > 0
    stored = from_bytes(to_bytes(fitted.to_checkpoint()))
    factors, items = from_tensors(stored.part(CONSTANTS))
    assert same(factors, constants.factors)
    assert same(items, constants.items)


def test_reading_a_checkpoint_computes_no_constants(fitted, monkeypatch):
    def refuse(*_):
        raise AssertionError("computed again")

    for name in ("make", "learn"):
        monkeypatch.setattr(ConstantMaker, name, refuse)
    back = GraphRecommender.from_checkpoint(fitted.to_checkpoint(), WORLD, SETTINGS)
    assert np.array_equal(back.product_vectors(), fitted.product_vectors())
    assert back.to_checkpoint().digest() == fitted.to_checkpoint().digest()


def test_a_checkpoint_without_one_of_them_is_refused(fitted):
    tensors = {name.removeprefix(CONSTANTS): t for name, t in to_tensors(fitted._plan.constants).items()}
    del tensors["near_PP/data"]
    with pytest.raises(ArtifactError, match="constants/near_PP/data is missing"):
        from_tensors(tensors)
