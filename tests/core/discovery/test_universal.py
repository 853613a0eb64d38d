"""The universal ranking by hand, and its judgement on baskets whose answer is known."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from gnn_core.discovery.products import SIMILARITY
from gnn_core.discovery.universal import (
    UniversalRanking,
    WithUniversal,
    added_to,
    against_popularity,
    basket_window,
    universal_scores,
    universal_table,
    with_universal,
)
from gnn_core.errors import ShapeError
from gnn_core.evaluation.panel import build_panel
from gnn_core.graph.split import Cut
from gnn_core.scoring.peers.popularity import Popularity
from tests.core.builders import make_snapshot
from tests.core.publishing.world import make_settings

CAR = "1969|chevrolet|camaro"
START, END = np.datetime64("2026-05-01", "us"), np.datetime64("2026-06-01", "us")
CUT = Cut("test", "test", START, START, END)
IDS = [f"P{i:02d}" for i in range(30)]
SETTINGS = make_settings(evaluation={"bootstrap_draws": 200})


def pairs(*rows):
    return pa.Table.from_pylist(
        [
            {"product_id": p, "similar_product_id": q, "similarity": s, "kind": "substitute", "rank": 1,
             "same_part_type": True, "joint_orders": 0, "people": 0}
            for p, q, s in rows
        ],
        schema=SIMILARITY,
    )  # fmt: skip


def store():
    """P00–P14 were ordered once each before the window; P15 never, but it is like P00, and everyone orders it then."""
    buyers = {f"b{i:02d}": [CAR] for i in range(15)}
    later = {f"l{i:02d}": [CAR] for i in range(40)}
    events = [(f"b{i:02d}", f"P{i:02d}", "order", "2026-04-01", f"o{i}") for i in range(15)]
    events += [("b00", "P00", "order", f"2026-03-{d:02d}", f"x{d}") for d in range(1, 9)]
    events += [(u, "P15", "order", "2026-05-10", f"y{u}") for u in later]
    return {"owns": buyers | later, "fits": {p: [CAR] for p in IDS}, "events": events}


def snapshots():
    whole = make_snapshot(**store())
    return whole, whole.before(START)


def test_scores_by_hand():
    _, train = snapshots()
    similar = pairs(("P15", "P00", 0.9), ("P15", "P01", 0.3), ("P16", "P17", 0.5))
    score = universal_scores(train, similar, 0.5, SETTINGS.graph)
    # P00 was ordered 9 times and P01 once: the mean by similarity is (.9 · 9 + .3 · 1) / 1.2 = 7.
    assert score[15] == pytest.approx(np.log(0 + 0.5 * 7 + 0.5))
    assert score[0] == pytest.approx(np.log(9.5))
    assert score[16] == score[20] == pytest.approx(np.log(0.5))
    plain = universal_scores(train, similar, 0.0, SETTINGS.graph)
    assert plain[15] == pytest.approx(np.log(0.5))
    with pytest.raises(ShapeError, match="another catalogue"):
        universal_scores(train, pairs(("P15", "GHOST", 0.9)), 0.5, SETTINGS.graph)


def test_views_count_a_fifth_and_nothing_after_the_cutoff_counts():
    changed = store()
    changed["events"] = [*changed["events"], ("b01", "P20", "view", "2026-04-02")]
    train = make_snapshot(**changed).before(START)
    score = universal_scores(train, pairs(), 1.0, SETTINGS.graph)
    assert score[20] == pytest.approx(np.log(0.2 + 0.5))
    assert score[15] == pytest.approx(np.log(0.5))  # its forty orders come later


def test_a_new_product_like_a_best_seller_is_found_and_popularity_does_not_find_it():
    whole, train = snapshots()
    eligible = np.ones(len(IDS), bool)
    window = basket_window(whole, train, CUT, pairs(("P15", "P00", 0.9)), eligible, SETTINGS)
    assert (window.baskets, len(window.panel.users)) == ("what a user ordered", 40)
    popularity = Popularity()
    popularity.fit(train)
    found = against_popularity(window, popularity, [0.0, 1.0], SETTINGS)
    assert (found[1.0].model_mean, found[1.0].baseline_mean) == (1.0, 0.0)
    assert found[0.0].model_mean == 0.0
    panel = build_panel(whole, train, CUT, SETTINGS, eligible)
    spread = replace(SETTINGS, discovery=replace(SETTINGS.discovery, universal_spread=1.0))
    added = added_to(window, popularity, panel, [0.0, 9.0], spread)
    assert (added[0.0].model_mean, added[9.0].model_mean) == (0.0, 1.0)


def test_a_window_without_orders_is_judged_on_what_users_did():
    changed = store()
    changed["events"] = [
        (u, p, "view" if day > "2026-05" else kind, day, o) for u, p, kind, day, o in changed["events"]
    ]
    whole = make_snapshot(**changed)
    window = basket_window(whole, whole.before(START), CUT, pairs(), np.ones(len(IDS), bool), SETTINGS)
    assert (window.baskets, len(window.panel.users)) == ("what a user did", 40)


def test_the_table_has_eligible_products_by_score_then_id_beside_their_popularity():
    _, train = snapshots()
    score, orders = np.zeros(30), np.zeros(30, dtype=np.int64)
    score[[3, 7]], orders[7] = 1.0, 5
    eligible = np.ones(30, bool)
    eligible[0] = False
    rows = universal_table(score, orders, train, eligible).to_pylist()
    assert [(r["product_id"], r["popularity_rank"]) for r in rows[:3]] == [("P03", 4), ("P07", 1), ("P01", 2)]
    assert [r["rank"] for r in rows] == list(range(1, 30))


class Graph:
    """A model that must stay as it is at weight 0."""

    name = "graph"
    path_shares = "its own"

    def prepare(self, audience):
        pass

    def score_block(self, start, stop):
        return np.ones((stop - start, 3), np.float32)


def test_weight_zero_is_the_model_itself_and_a_weight_adds():
    graph = Graph()
    assert with_universal(graph, None, None, SETTINGS) is graph
    added = WithUniversal(graph, np.array([1.0, 2.0, 3.0]), 0.5)
    assert added.score_block(0, 2).tolist() == [[1.5, 2.0, 2.5]] * 2
    assert (added.name, added.path_shares) == ("graph", "its own")
    assert getattr(WithUniversal(UniversalRanking(np.ones(3)), np.ones(3), 1.0), "path_shares", None) is None
