"""Message passing: a node's own state survives, and users are read out as the graph itself would."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from gnn_core.graph.hetero import EDGE_TYPES, NODE_TYPES, REV_INTERACTS, REV_OWNS, build_graph
from gnn_core.model.edges import graph_edges
from gnn_core.model.encoder import Encoder, summed
from tests.core.builders import make_snapshot
from tests.core.model.worlds import small_settings

WIDTH = 16
CAR, RAM = "2018|ford|mustang", "2020|ram|1500"
# ann and bob own the same one vehicle; cat owns another and has looked at the same product as ann.
STORE = {
    "owns": {"ann": [CAR], "bob": [CAR], "cat": [RAM]},
    "fits": {"P1": [CAR], "P2": [CAR, RAM], "P3": []},
    "events": [
        ("ann", "P1", "order", "2026-05-02"),
        ("bob", "P1", "order", "2026-05-02"),
        ("cat", "P2", "view", "2026-05-20"),
    ],
}
ENCODERS = ("gat", "sage", "light")


def encoder_of(kind: str) -> Encoder:
    torch.manual_seed(1)
    return Encoder(WIDTH, small_settings({"encoder": kind, "embedding_dim": WIDTH}).model).eval()


def edges_and_inputs(store: dict = STORE):
    settings = small_settings()
    graph = build_graph(make_snapshot(**store), settings.graph)
    torch.manual_seed(2)
    inputs = {t: torch.randn(int(graph.data[t].num_nodes), WIDTH) for t in NODE_TYPES}
    return graph_edges(graph), inputs


@pytest.mark.parametrize("kind", ENCODERS)
def test_two_users_with_the_same_single_edges_keep_their_own_state(kind):
    edges, inputs = edges_and_inputs()
    with torch.no_grad():
        ann, bob, _ = summed(encoder_of(kind)(inputs, edges), "user")
    assert (ann - bob).norm() > 0.1 * (inputs["user"][0] - inputs["user"][1]).norm()


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_node_that_no_edge_reaches_is_not_lost(kind):
    edges, inputs = edges_and_inputs()
    with torch.no_grad():
        universal = summed(encoder_of(kind)(inputs, edges), "product")[2]
    assert torch.isfinite(universal).all()
    assert torch.cosine_similarity(universal, inputs["product"][2], dim=0) > 0.3


@pytest.mark.parametrize("kind", ENCODERS)
def test_read_out_is_what_the_graph_gives_its_own_users(kind):
    edges, inputs = edges_and_inputs()
    encoder = encoder_of(kind)
    with torch.no_grad():
        states = encoder(inputs, edges)
        read = encoder.read_out(states, inputs["user"], edges[REV_OWNS], edges[REV_INTERACTS])
    assert torch.allclose(read, summed(states, "user"), atol=1e-5)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_message_travels_two_hops_in_two_layers(kind):
    """cat's vehicle is reached from product P1 only over ann's or bob's purchases and shared fitment."""
    edges, inputs = edges_and_inputs()
    moved = {t: x.clone() for t, x in inputs.items()}
    moved["product"][0] += 5.0
    encoder = encoder_of(kind)
    with torch.no_grad():
        before, after = (encoder(x, edges) for x in (inputs, moved))
    ram = 1
    assert torch.equal(before[1]["vehicle"][ram], after[1]["vehicle"][ram])  # P1 does not fit the ram
    assert not torch.allclose(before[2]["product"][1], after[2]["product"][1])  # P2 shares the mustang with P1


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_edge_type_carries_messages(kind):
    store = STORE | {"events": [(u, p, "order", "2026-05-02", f"o{u}") for u in ("ann", "bob") for p in ("P1", "P2")]}
    edges, inputs = edges_and_inputs(store)
    encoder = encoder_of(kind)
    with torch.no_grad():
        whole = encoder(inputs, edges)[1]
        for left_out in EDGE_TYPES:
            fewer = encoder(inputs, {k: e for k, e in edges.items() if k != left_out})[1]
            assert not torch.allclose(whole[left_out[2]], fewer[left_out[2]]), left_out


def test_a_wider_encoder_than_heads_divide_is_refused():
    with pytest.raises(Exception, match="multiple of heads"):
        dataclasses.replace(small_settings().model, hidden_dim=15, heads=4)


def test_decayed_weights_reach_the_light_encoder_as_confidence():
    """The same purchases a year ago move a user less."""
    old = [(u, p, k, "2025-05-02") for u, p, k, _ in STORE["events"]]
    encoder = encoder_of("light")
    moved = []
    for events in (STORE["events"], old):
        edges, inputs = edges_and_inputs(STORE | {"events": events})
        with torch.no_grad():
            owns_only = {REV_OWNS: edges[REV_OWNS]}
            both = owns_only | {REV_INTERACTS: edges[REV_INTERACTS]}
            moved.append(float((encoder(inputs, both)[1]["user"] - encoder(inputs, owns_only)[1]["user"]).norm()))
    assert moved[1] < 0.01 * moved[0]
    assert np.isfinite(moved).all()
