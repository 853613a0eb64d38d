"""Joint orders counted and pruned, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_core.config.learning import GraphSettings
from gnn_core.graph.copurchase import CoPurchaseCounts, count_joint_orders, prune
from tests.core.builders import make_snapshot

CAR = "2018|ford|f-150"
FITS = {f"P{i}": [CAR] for i in range(4)}


def graph_settings(least: int = 2, most: int = 50) -> GraphSettings:
    return GraphSettings({"view": 1.0, "cart": 3.0, "order": 5.0}, 30.0, least, most, 0, 0.0)


def events_of(*events: tuple):
    return make_snapshot(owns={"ann": [CAR], "bob": [CAR]}, fits=FITS, events=events).events


def order(user: str, number: str, *products: str) -> list[tuple]:
    return [(user, p, "order", "2026-05-02", number) for p in products]


def edges(pruned) -> dict[tuple[int, int], float]:
    return {(int(s), int(t)): float(w) for s, t, w in zip(*vars(pruned).values(), strict=True)}


def test_distinct_orders_are_counted_once_per_pair():
    counts = count_joint_orders(
        events_of(
            *order("ann", "o1", "P0", "P1", "P1"),  # a product on two lines of one order
            *order("ann", "o2", "P1", "P0"),
            *order("bob", "o3", "P0", "P2"),
        ),
        4,
    )
    got = dict(zip(zip(counts.left_C.tolist(), counts.right_C.tolist(), strict=True), counts.orders_C, strict=True))
    assert got == {(0, 1): 2, (0, 2): 1}


def test_kept_edges_have_both_directions_and_weight_log_one_plus_n():
    counts = count_joint_orders(
        events_of(*order("ann", "o1", "P0", "P1"), *order("bob", "o2", "P0", "P1"), *order("bob", "o3", "P0", "P2")), 4
    )
    assert edges(prune(counts, 4, graph_settings())) == pytest.approx({(0, 1): np.log(3), (1, 0): np.log(3)})


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([("ann", p, "order", "2026-05-02", None) for p in ("P0", "P1")] * 2, id="orders without a number"),
        pytest.param([("ann", p, "cart", "2026-05-02", f"o{i}") for p in ("P0", "P1") for i in (1, 2)], id="carts"),
    ],
)
def test_only_orders_with_a_number_are_baskets(events):
    assert len(count_joint_orders(events_of(*events), 4)) == 0


def counts(*pairs: tuple[int, int, int]) -> CoPurchaseCounts:
    return CoPurchaseCounts(*(np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True)))


def test_strongest_partners_stay_and_a_tie_goes_to_the_lower_product():
    star = counts((0, 1, 5), (0, 2, 7), (0, 3, 5))
    assert set(edges(prune(star, 4, graph_settings(most=2)))) == {(0, 1), (1, 0), (0, 2), (2, 0)}


def test_pruned_edges_are_symmetric_and_no_product_exceeds_the_cap():
    rng = np.random.default_rng(3)
    upper = np.triu(rng.integers(0, 9, size=(30, 30)), k=1)
    left, right = np.nonzero(upper)
    pruned = prune(CoPurchaseCounts(left, right, upper[left, right]), 30, graph_settings(most=4))
    degree = np.bincount(pruned.source_C, minlength=30)
    assert degree.max() == 4  # the cap binds, and nobody is above it
    assert {(t, s): w for (s, t), w in edges(pruned).items()} == edges(pruned)


def test_pruning_does_not_touch_the_counts():
    star = counts((0, 1, 1), (0, 2, 9))
    before = star.orders_C.copy()
    prune(star, 4, graph_settings(most=1))
    assert (star.orders_C == before).all()
