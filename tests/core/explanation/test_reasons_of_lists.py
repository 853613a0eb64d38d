"""Reasons from lists to rows, by hand; then the rule that asks the warehouse about them, on both engines."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from gnn_core.contracts import conform
from gnn_core.explanation.choose import choose_reasons
from gnn_core.explanation.edges import TEMPLATES, Edge, path_edges
from gnn_core.explanation.evidence import GraphEvidence
from gnn_core.explanation.shares import PathShares, reads_own_events, shares_of
from gnn_core.io.sql import load_sql
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.audit import judge, rule_tables
from gnn_core.publishing.rules import ROW_RULES
from gnn_core.publishing.schema import EVENT_PATHS, REASON_PATHS, VIA_PATHS
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.hybrid import Hybrid
from gnn_core.scoring.recommend import recommend
from gnn_core.stores.week import WeekTables
from tests.core.builders import make_snapshot, make_tables
from tests.core.explanation.worlds import C69, STORE
from tests.core.publishing.world import make_settings

RULE = {rule.name: rule for rule in ROW_RULES}["true_reasons"]
WHEN = dt.datetime(2026, 6, 1, 6, tzinfo=dt.UTC)
SETTINGS = make_settings(
    scoring={"slots": 4, "block_rows": 3, "universal_candidates": 1, "max_per_part_type": 4},
    serving={"hybrid_share": 1.0, "share_salt": "s"},
)


class Telling:
    """Scores by a fixed order, and shares that a test plants."""

    name = "graph"

    def __init__(self, train, order, shares=None):
        self._score_P = np.array([-order.index(p) if p in order else -99 for p in train.product_ids], dtype=np.float32)
        if shares is not None:
            self.path_shares = shares

    def prepare(self, audience):
        self.audience = audience

    def score_block(self, start, stop):
        return np.tile(self._score_P, (stop - start, 1))


def planted(train, own=0.0, owners=0.0, through=0.0):
    """Shares that are the same everywhere; every product of a row's history is a possible one in between."""

    def shares(row_N, product_N):
        n = len(row_N)
        history = make_audience(train)[0].history
        cell, via = [], []
        for cell_of, row in enumerate(row_N):
            for product in np.unique(history.product_E[history.user_E == row]):
                cell.append(cell_of)
                via.append(product)
        through_J = np.full(len(cell), through)
        return PathShares(
            np.full(n, own), np.full(n, owners), np.full(n, through), np.array(cell, int), np.array(via, int), through_J
        )

    return shares


def make_audience(train):
    return build_audience(train, np.arange(len(train.user_ids)))


def told(order, name="graph", settings=SETTINGS, **shares):
    train = make_snapshot(**STORE)
    policy = Telling(train, order, planted(train, **shares) if shares else None)
    policy.name = name
    lists = recommend(
        policy, sql=None, gnn=None, train=train, users=np.arange(len(train.user_ids)),
        eligible_P=np.ones(len(train.product_ids), bool), settings=settings, source="hybrid", run_id="r",
        scored_at=WHEN,
    )  # fmt: skip
    return lists.table


def reason(table, user, product):
    (row,) = [r for r in table.to_pylist() if (r["user_id"], r["product_id"]) == (user, product)]
    return row


def parts(row):
    return row["reason_path"], row["reason_event"], row["reason_product_id"]


def test_a_list_by_popularity_tells_owners_then_other_owners_then_the_fitment_alone():
    table = told(["HOOD", "WHEEL", "BARE", "COVER"])
    want = {
        "HOOD": ("owners", "Fits your 1969 Chevrolet Camaro; popular with Chevrolet Camaro owners"),
        "WHEEL": ("other_owners", "Fits your 1969 Chevrolet Camaro; popular with owners of other vehicles it fits"),
        "BARE": ("fits", "Fits your 1969 Chevrolet Camaro"),
        "COVER": ("universal", "Universal part, made for any vehicle"),
    }
    for product, (path, text) in want.items():
        row = reason(table, "fay", product)
        assert (row["reason_path"], row["reason"]) == (path, text)
        assert (row["reason_event"], row["reason_product_id"]) == (None, None)


def test_the_user_does_not_count_among_the_people_who_recommend_to_them():
    table = told(["HOOD", "WHEEL", "BARE", "COVER"])
    # Of the two Camaro owners who touched HOOD, one is bob (who bought it, so it is not shown) and one is cid.
    assert parts(reason(table, "cid", "HOOD")) == ("fits", None, None)
    assert parts(reason(table, "ann", "HOOD")) == ("owners", None, None)
    # eve is one of the two people behind WHEEL.
    assert parts(reason(table, "eve", "WHEEL")) == ("fits", None, None)


def test_the_largest_share_that_exists_is_told():
    order = ["CARB", "MANIFOLD", "LAMP", "HOOD"]
    table = told(order, own=1.0, owners=2.0, through=3.0)
    manifold = reason(table, "ann", "MANIFOLD")
    assert parts(manifold) == ("bought_together", "view", "CARB")
    assert manifold["reason"] == "Fits your 1969 Chevrolet Camaro; often bought with the carburetor you looked at"
    lamp = reason(table, "ann", "LAMP")
    assert parts(lamp) == ("taken_together", "view", "CARB")
    assert lamp["reason"].endswith("; also of interest to people interested in the carburetor you looked at")
    # Nobody has both HOOD and CARB, so the second largest share, the owners', is told.
    assert parts(reason(table, "ann", "HOOD")) == ("owners", None, None)
    # ann's own view of CARB: no other product leads there, no owner took it.
    assert parts(reason(table, "ann", "CARB")) == ("own", "view", None)
    assert reason(table, "ida", "LAMP")["reason"].endswith("; you put it in your cart")
    carb = reason(table, "ida", "CARB")
    assert parts(carb) == ("taken_together", "cart", "LAMP")
    assert "the LED lamp you put in your cart" in carb["reason"]


def test_a_larger_share_of_the_owners_outweighs_the_history():
    table = told(["HOOD", "MANIFOLD", "LAMP", "CARB"], own=1.0, owners=9.0, through=3.0)
    assert parts(reason(table, "ann", "HOOD"))[0] == "owners"
    assert parts(reason(table, "ann", "MANIFOLD"))[0] == "bought_together"  # no Camaro owner touched it


def test_a_share_below_nothing_is_not_told():
    table = told(["HOOD", "MANIFOLD", "LAMP", "CARB"], own=-1.0, owners=-1.0, through=-1.0)
    # Two F-150 owners touched both; they are what popularity rests on.
    assert parts(reason(table, "ann", "MANIFOLD")) == ("other_owners", None, None)
    assert parts(reason(table, "ann", "CARB")) == ("other_owners", None, None)


def test_a_policy_that_reads_own_events_tells_them_and_another_does_not():
    order = ["CARB", "MANIFOLD", "LAMP", "HOOD"]
    assert parts(reason(told(order, name="sql_v5.17"), "ida", "LAMP")) == ("own", "cart", None)
    assert parts(reason(told(order, name="sql_v5.18"), "ida", "LAMP")) == ("other_owners", None, None)


def test_shares_come_from_the_part_of_a_hybrid_that_decides():
    train = make_snapshot(**STORE)
    graph, sql = Telling(train, ["CARB"], planted(train)), Telling(train, ["CARB"])
    sql.name = "sql_v5.17"
    for alpha, shares, own in ((0.5, graph.path_shares, False), (1.0, None, True)):
        hybrid = Hybrid(sql, graph, alpha, "rank", lambda audience: None)
        assert shares_of(hybrid) is shares
        assert reads_own_events(hybrid) is own


@pytest.mark.parametrize(("base", "via"), [("MANIFOLD", "CARB"), ("CARB", None)])
def test_another_colour_of_the_product_is_no_reason_for_it(base, via):
    changed = {"MANIFOLD": {"part_type": "Intake Manifold", "base_product_id": base}}
    train = make_snapshot(**STORE | {"products": STORE["products"] | changed})
    audience, row_U = make_audience(train)
    row = row_U[train.user_ids.tolist().index("ann")]
    product = np.full((len(audience), 1), -1)
    product[row, 0] = train.product_ids.tolist().index("MANIFOLD")
    found = choose_reasons(
        product, np.zeros_like(product), product < -1, audience, train, GraphEvidence(train, SETTINGS.graph), 2,
        shares=planted(train, through=1.0), own_events=False,
    )  # fmt: skip
    told_via = found.via_AK[row, 0]
    assert (None if told_via < 0 else train.product_ids[told_via]) == via


def test_counts_along_the_paths_by_hand():
    train = make_snapshot(**STORE)
    at = {p: i for i, p in enumerate(train.product_ids)}
    segment = {s: i for i, s in enumerate(train.segment_ids)}
    evidence = GraphEvidence(train, SETTINGS.graph)
    camaro, nova = segment["chevrolet|camaro"], segment["chevrolet|nova"]

    def one(count, left, right):
        return count(np.array([left]), np.array([right]))[0]

    assert one(evidence.owners, camaro, at["HOOD"]) == 2  # of any year
    assert one(evidence.owners, nova, at["HOOD"]) == 0
    assert one(evidence.other_owners, nova, at["HOOD"]) == 2
    assert one(evidence.other_owners, camaro, at["HOOD"]) == 0
    assert one(evidence.other_owners, camaro, at["CARB"]) == 2  # ann owns a Camaro herself
    assert one(evidence.people_with_both, at["CARB"], at["LAMP"]) == 2
    assert one(evidence.people_with_both, at["CARB"], at["HOOD"]) == 0
    assert one(evidence.bought_together, at["CARB"], at["MANIFOLD"])
    assert not one(evidence.bought_together, at["CARB"], at["LAMP"])
    ida = int(np.flatnonzero(train.user_ids == "ida")[0])
    assert one(evidence.kind, ida, at["LAMP"]) == 1  # the cart outranks the view
    assert one(evidence.kind, ida, at["HOOD"]) == -1


def test_edges_of_every_path():
    row = {
        "user_id": "ann", "vehicle_id": C69, "product_id": "LAMP", "reason_path": "taken_together",
        "reason_event": "view", "reason_product_id": "CARB", "fitment_proof": "fitment",
    }  # fmt: skip
    assert path_edges(row) == [
        Edge("user", "ann", "owns", "vehicle", C69),
        Edge("vehicle", C69, "rev_fits", "product", "LAMP"),
        Edge("user", "ann", "view", "product", "CARB"),
        Edge("product", "CARB", "rev_interacts", "user", None),
        Edge("user", None, "interacts", "product", "LAMP"),
    ]
    assert path_edges(row | {"reason_path": "universal", "fitment_proof": "universal"})[1:] == []
    assert tuple(TEMPLATES) == REASON_PATHS
    with_event = {p for p, template in TEMPLATES.items() if any(edge == "event" for _, edge, _ in template)}
    assert with_event == set(EVENT_PATHS)
    assert {p for p, t in TEMPLATES.items() if "via" in str(t)} == set(VIA_PATHS)


@pytest.fixture
def week(any_warehouse, dataset):
    made = WeekTables(dt.date(2026, 6, 1), dataset)
    for name, frame in make_tables(**STORE).items():
        if name not in ("sends", "engagements"):
            any_warehouse.load(made.table(name), conform(name, pa.Table.from_pandas(frame, preserve_index=False)))
    return made


def asked(warehouse, week, rows):
    staging = TableName(week.dataset, "staged")
    warehouse.load(staging, rows)
    settings = make_settings(warehouse={"work_dataset": week.dataset})
    with rule_tables(warehouse, staging, week, settings) as tables:
        return judge(warehouse, RULE, tables, settings, week.moment)


ORDERS = (["CARB", "MANIFOLD", "LAMP", "HOOD"], ["HOOD", "WHEEL", "BARE", "COVER"])


def test_every_reason_that_is_told_is_true_in_the_warehouse(any_warehouse, week):
    tables = [told(order, own=1.0, owners=2.0, through=3.0) for order in ORDERS]
    tables += [told(order, name=name) for order in ORDERS for name in ("sql_v5.17", "sql_v5.18")]
    rows = pa.concat_tables(tables)
    assert set(rows["reason_path"].to_pylist()) == set(REASON_PATHS)
    found = asked(any_warehouse, week, rows)
    assert found.passed, found.examples


def test_every_false_reason_is_found_in_the_warehouse(any_warehouse, week):
    true = told(ORDERS[0], own=1.0, owners=2.0, through=3.0).to_pylist()

    def false(user, product, **values):
        return next(r for r in true if (r["user_id"], r["product_id"]) == (user, product)) | values

    rows = [
        false("ann", "CARB", reason_event="order"),
        false("ann", "MANIFOLD", reason_product_id="LAMP"),
        false("ann", "MANIFOLD", reason_path="bought_together", reason_product_id="MANIFOLD"),
        false("ann", "LAMP", reason_path="bought_together"),
        false("ann", "LAMP", reason_product_id=None),
        false("ida", "HOOD", reason_path="taken_together", reason_event="cart", reason_product_id="LAMP"),
        false("cid", "HOOD", reason_path="owners", reason_event=None, reason_product_id=None),
        false("dee", "CARB", reason_path="owners", reason_event=None, reason_product_id=None),
        false("fay", "HOOD", reason_path="other_owners"),
    ]
    for row in rows:
        found = asked(any_warehouse, week, pa.Table.from_pylist([row], schema=told(ORDERS[0]).schema))
        assert not found.passed, row


def test_the_view_of_edges_fills_the_templates(any_warehouse, week):
    rows = pa.concat_tables([told(order, own=1.0, owners=2.0, through=3.0) for order in ORDERS[1:]])
    live = TableName(week.dataset, "live")
    any_warehouse.load(live, rows)
    found = any_warehouse.query(load_sql("publishing/recommendation_paths"), tables={"live": live}).to_pylist()
    got: dict[tuple, list] = {}
    for row in sorted(found, key=lambda r: r["step"]):
        edge = Edge(row["source_type"], row["source_id"], row["edge"], row["target_type"], row["target_id"])
        got.setdefault((row["user_id"], row["slot"]), []).append(edge)
    assert got == {(r["user_id"], r["slot"]): path_edges(r) for r in rows.to_pylist()}


def test_a_two_vehicle_owner_is_told_the_vehicle_of_the_row():
    row = reason(told(["HOOD", "WHEEL", "BARE", "COVER"]), "joe", "WHEEL")
    assert (row["vehicle_id"], row["reason_path"]) == (C69, "other_owners")
