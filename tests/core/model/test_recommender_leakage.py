"""Neither the future nor a fold's own events reach what the graph model learns from."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from gnn_core.graph.hetero import INTERACTS
from gnn_core.training.checkpoint import to_bytes
from gnn_core.training.examples import fold_of_users
from tests.core.builders import AS_OF
from tests.core.model.fits import WORLD, fitted, plan_of
from tests.core.model.worlds import (
    HALF,
    small_settings,
    two_platforms,
)


def test_what_happens_after_the_cutoff_moves_nothing(trained):
    future = tuple((f"u00{i:02d}", f"P{HALF + i % HALF:02d}", "order", "2026-06-02") for i in range(12))
    knows = two_platforms(extra_events=future)  # make_snapshot cuts at the as-of date …
    uncut = dataclasses.replace(knows, events=knows.events)
    assert to_bytes(fitted(uncut.before(AS_OF)).to_checkpoint()) == to_bytes(trained.to_checkpoint())


def test_a_folds_own_events_reach_neither_its_graph_nor_its_factors():
    """Whatever the supervised users do, the graph that supervises them is the same."""
    training, ev = small_settings().training, WORLD.events
    theirs = fold_of_users(WORLD.user_ids, training.folds, training.seed)[ev.user_E] == 0
    other_half = np.where(theirs, (ev.product_E + HALF) % (2 * HALF), ev.product_E)
    quiet = plan_of(WORLD)
    changed = dataclasses.replace(WORLD, events=dataclasses.replace(ev, product_E=other_half))
    moved = plan_of(changed, weights=quiet.weights)
    one, other = quiet.folds[0].inputs, moved.folds[0].inputs
    for name in ("product_x", "vehicle_x", "product_const", "vehicle_const_SD", "item_left_PI"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    for kind, edges in one.edges.items():
        assert torch.equal(edges.index, other.edges[kind].index), kind
        assert torch.equal(edges.log_weight, other.edges[kind].log_weight), kind
    assert not torch.equal(quiet.inputs.product_const, moved.inputs.product_const)  # the served graph does see them


def test_supervised_users_are_no_nodes_of_the_graph_that_supervises_them():
    plan = plan_of(WORLD)
    whole = plan.inputs.edges[INTERACTS].index.shape[1]
    hidden = [whole - fold.inputs.edges[INTERACTS].index.shape[1] for fold in plan.folds]
    assert sum(hidden) == whole
    assert min(hidden) > 0
    for fold, n_hidden in zip(plan.folds, hidden, strict=True):
        assert len(fold.batches) == n_hidden  # each hidden (user, product) pair is one positive: all are orders
