"""The graph of a hand-written store: nodes, the seven edge types, ids, digest, and nothing from the future."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gnn_core.config.learning import GraphSettings
from gnn_core.errors import LeakageError
from gnn_core.graph.features import VEHICLE_FEATURES
from gnn_core.graph.hetero import (
    CO_PURCHASED,
    EDGE_TYPES,
    FITS,
    INTERACTS,
    OWNS,
    REV_FITS,
    REV_INTERACTS,
    REV_OWNS,
    build_graph,
)
from gnn_core.snapshot import build_snapshot
from tests.core.builders import AS_OF, make_snapshot, make_tables

SETTINGS = GraphSettings({"view": 1.0, "cart": 3.0, "order": 5.0}, 30.0, 2, 50, 0, 0.0)
OLD, NEW, RAM = "1967|ford|mustang", "2018|ford|mustang", "2020|ram|1500"
STORE = {
    "owns": {"ann": [NEW], "bob": [OLD, NEW, RAM], "cat": [RAM], "dan": [RAM]},
    "fits": {"P1": [NEW], "P2": [OLD, NEW], "P3": [RAM], "P4": []},
    "vehicles": ["2020|ram|2500"],
    "events": [
        ("ann", "P1", "order", "2026-05-02", "o1"),
        ("ann", "P2", "order", "2026-05-02", "o1"),
        ("bob", "P1", "order", "2026-05-02", "o2"),
        ("bob", "P2", "order", "2026-05-02", "o2"),
        ("bob", "P3", "view", "2026-05-31"),
    ],
}
FUTURE = [
    ("cat", "P3", "order", "2026-06-01", "o3"),
    ("cat", "P1", "order", "2026-06-01", "o3"),
    ("dan", "P3", "order", "2026-06-20", "o4"),
    ("dan", "P1", "order", "2026-06-20", "o4"),
    ("ann", "P3", "view", "2026-06-02"),
]


def edges(graph, kind) -> dict[tuple, float]:
    names = {"user": graph.user_ids, "product": graph.product_ids, "vehicle": graph.segment_ids}
    source, target = graph.data[kind].edge_index.numpy()
    weight = graph.data[kind].edge_weight.numpy()
    return {(names[kind[0]][s], names[kind[2]][t]): float(w) for s, t, w in zip(source, target, weight, strict=True)}


def test_three_node_types_and_the_seven_named_edge_types():
    graph = build_graph(make_snapshot(**STORE), SETTINGS)
    assert set(graph.data.node_types) == {"user", "product", "vehicle"}
    assert {e[1] for e in graph.data.edge_types} == {
        "interacts", "rev_interacts", "fits", "rev_fits", "owns", "rev_owns", "co_purchased",
    }  # fmt: skip
    assert graph.data.validate()


def test_edges_match_hand_values():
    graph = build_graph(make_snapshot(**STORE), SETTINGS)
    order, view = 5 / np.e, np.exp(-1 / 30)
    interacts = {("ann", "P1"): order, ("ann", "P2"): order, ("bob", "P1"): order, ("bob", "P2"): order}
    assert edges(graph, INTERACTS) == pytest.approx(interacts | {("bob", "P3"): view})
    half = {("P1", "ford|mustang"): 0.5, ("P2", "ford|mustang"): 1.0, ("P3", "ram|1500"): 1.0}
    assert edges(graph, FITS) == pytest.approx(half)  # P1 fits one of the two mustangs
    assert edges(graph, OWNS) == {("ann", "ford|mustang"): 1, ("bob", "ford|mustang"): 1, ("bob", "ram|1500"): 1}
    assert edges(graph, CO_PURCHASED) == pytest.approx({("P1", "P2"): np.log(3), ("P2", "P1"): np.log(3)})


@pytest.mark.parametrize(("forward", "reverse"), [(INTERACTS, REV_INTERACTS), (FITS, REV_FITS), (OWNS, REV_OWNS)])
def test_reverse_edges_mirror_the_forward_ones(forward, reverse):
    graph = build_graph(make_snapshot(**STORE), SETTINGS)
    assert {(t, s): w for (s, t), w in edges(graph, reverse).items()} == edges(graph, forward)


def test_users_without_events_are_no_nodes_but_count_as_owners():
    store = STORE | {"owns": STORE["owns"] | {f"new{i}": [RAM] for i in range(50)}}
    graph, fuller = (build_graph(make_snapshot(**s), SETTINGS) for s in (STORE, store))
    assert graph.user_ids.tolist() == fuller.user_ids.tolist() == ["ann", "bob"]
    column = VEHICLE_FEATURES.index("log_owners")
    by_name = dict(zip(fuller.segment_ids, fuller.data["vehicle"].x[:, column].tolist(), strict=True))
    # 53 owners against 2 and 0, where it was 3 against 2 and 0: the mustang falls below the mean.
    assert by_name["ram|1500"] > 0 > by_name["ford|mustang"]
    assert fuller.data["user"].num_nodes == 2


def test_what_happens_after_the_cutoff_changes_no_digest():
    seen = make_snapshot(**STORE)
    knows_more = make_snapshot(
        **(STORE | {"events": STORE["events"] + FUTURE}), as_of=np.datetime64("2026-07-01", "us")
    )
    assert len(knows_more.events) == len(seen.events) + len(FUTURE)
    assert build_graph(knows_more.before(AS_OF), SETTINGS).digest() == build_graph(seen, SETTINGS).digest()


def test_a_snapshot_whose_events_pass_its_own_cutoff_is_refused():
    uncut = make_snapshot(**(STORE | {"events": STORE["events"] + FUTURE}), as_of=np.datetime64("2026-07-01", "us"))
    with pytest.raises(LeakageError):
        build_graph(dataclasses.replace(uncut, as_of=AS_OF), SETTINGS)


def test_row_order_of_the_tables_does_not_show():
    tables = make_tables(**STORE)
    reversed_rows = {name: frame.iloc[::-1] for name, frame in tables.items()}
    one, other = (build_graph(build_snapshot(t, AS_OF), SETTINGS) for t in (tables, reversed_rows))
    assert one.digest() == other.digest()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"events": STORE["events"][:-1]}, id="one event fewer"),
        pytest.param({"fits": STORE["fits"] | {"P4": [RAM]}}, id="one fitment more"),
        pytest.param({"products": {"P3": {"price": 500.0}}}, id="another price"),
        pytest.param({"owns": STORE["owns"] | {"eve": [RAM]}}, id="a cold owner more"),
    ],
)
def test_digest_sees_each_kind_of_change(change):
    assert (
        build_graph(make_snapshot(**(STORE | change)), SETTINGS).digest()
        != build_graph(make_snapshot(**STORE), SETTINGS).digest()
    )


def test_a_store_without_events_is_a_graph_without_users():
    graph = build_graph(make_snapshot(**(STORE | {"events": []})), SETTINGS)
    assert graph.summary()["nodes_user"] == 0
    assert [graph.data[e].edge_index.shape[0] for e in EDGE_TYPES] == [2] * 7
