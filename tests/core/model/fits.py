"""The graph model fitted on `two_platforms`, for the tests that judge it: its variants, and next week's store."""

from __future__ import annotations

import torch

from gnn_core.model.recommender import GraphRecommender
from gnn_core.snapshot import Snapshot
from gnn_core.training.determinism import pinned
from gnn_core.training.plan import build_plan
from tests.core.model.worlds import AS_PROPOSED, small_settings, two_platforms

WORLD = two_platforms()
VARIANTS = {
    "light": ({}, {}),
    "sage": ({"encoder": "sage"}, {}),
    "gat": ({"encoder": "gat"}, {}),
    "proposal": (AS_PROPOSED, {"loss": "bce"}),
    "all ids": ({"product_id_embedding": True, "user_id_embedding": True}, {}),
}


def fitted(train: Snapshot = WORLD, *, model=None, training=None, **options) -> GraphRecommender:
    """Fit on the small settings with the given changes."""
    recommender = GraphRecommender(small_settings(model, training), **options)
    recommender.fit(train)
    return recommender


def plan_of(train, **options):
    """The plan of training under the small settings."""
    settings = small_settings()
    with pinned(1, 0):
        return build_plan(train, settings, torch.device("cpu"), **options)


def grown_world():
    """Next week's store: a user, a vehicle and a product that sort in front of or between last week's."""
    return two_platforms(
        extra_owns={"a first user": ["2019|aaa|first"], "u000a": ["2020|make00|newer model"]},
        extra_products=("A NEW PART",),
        extra_events=(("a first user", "P00", "order", "2026-05-05"), ("u000a", "P01", "order", "2026-05-05")),
    )
