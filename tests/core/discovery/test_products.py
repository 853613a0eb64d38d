"""Substitutes and complements on a space that is written by hand; then the table and its rules on both engines."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from gnn_core.contracts import conform
from gnn_core.discovery.products import SIMILARITY, similar_products
from gnn_core.discovery.rules import SIMILARITY_RULES, UNIVERSAL_RULES
from gnn_core.discovery.space import similarity_space
from gnn_core.discovery.universal import UNIVERSAL
from gnn_core.errors import PublishRefused, ShapeError
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.side_tables import publish_side_table
from gnn_core.stores.week import WeekTables
from tests.core.builders import make_snapshot, make_tables
from tests.core.publishing.world import make_settings

CAR, VAN = "1969|chevrolet|camaro", "1999|ford|econoline"
STORE = {
    "owns": {"u1": [CAR], "u2": [CAR]},
    "fits": {
        "A": [CAR],
        "A-R": [CAR],  # a colour of A
        "B": [CAR],  # as A, and never bought with it
        "C": [CAR, VAN],  # another part type
        "D": [VAN],  # as A, for another vehicle
        "E": [CAR],  # as A, not eligible
        "F": [CAR],  # as A, and bought with it twice: front and rear
        "U": [],  # universal
    },
    "products": {
        "A-R": {"base_product_id": "A"},
        "C": {"part_type": "Wheel"},
        "U": {"part_type": "Car Cover"},
    },
    "events": [
        ("u1", "A", "order", "2026-01-01", "o1"),
        ("u1", "F", "order", "2026-01-01", "o1"),
        ("u2", "A", "order", "2026-02-01", "o2"),
        ("u2", "F", "order", "2026-02-01", "o2"),
        ("u2", "C", "order", "2026-02-01", "o2"),
    ],
}
IDS = ["A", "A-R", "B", "C", "D", "E", "F", "U"]
ANGLES = {"A": 0, "A-R": 1, "B": 10, "C": 20, "D": 5, "E": 2, "F": 30, "U": 40}
SPACE = np.array([[np.cos(np.radians(ANGLES[p])), np.sin(np.radians(ANGLES[p]))] for p in IDS], dtype=np.float32)


def made(space=SPACE, **discovery):
    train = make_snapshot(**STORE)
    assert train.product_ids.tolist() == IDS
    settings = make_settings(discovery=discovery)
    return similar_products(space, train, np.array([p != "E" for p in IDS]), settings)


def neighbours(table, product, kind):
    rows = [r for r in table.to_pylist() if (r["product_id"], r["kind"]) == (product, kind)]
    assert [r["rank"] for r in rows] == list(range(1, len(rows) + 1))
    return [r["similar_product_id"] for r in rows]


def test_kinds_by_hand():
    table = made()
    assert table.schema == SIMILARITY
    # Not A-R (its own colour), not D (fits no vehicle of A's), not E (not eligible), not F (bought together).
    assert neighbours(table, "A", "substitute") == ["B"]
    # u2 alone has both A and C: one person is an anecdote, so C is merely related.
    assert neighbours(table, "A", "complement") == ["F"]
    assert neighbours(table, "A", "related") == ["C", "U"]
    # Of A and its colour A-R the nearer one stands for both.
    assert neighbours(table, "B", "substitute") == ["A-R", "F"]
    assert neighbours(table, "D", "substitute") == []
    assert neighbours(table, "D", "complement") == []
    assert neighbours(table, "D", "related") == ["C", "U"]
    # What is not eligible has neighbours and is none.
    assert neighbours(table, "E", "substitute")[0] == "A-R"
    assert "E" not in table["similar_product_id"].to_pylist()
    first = next(r for r in table.to_pylist() if (r["product_id"], r["similar_product_id"]) == ("A", "F"))
    assert (first["joint_orders"], first["people"], first["same_part_type"]) == (2, 2, True)
    assert first["similarity"] == pytest.approx(np.cos(np.radians(30)), abs=1e-5)


def test_one_joint_order_is_chance():
    rows = {(r["product_id"], r["similar_product_id"]): r for r in made().to_pylist()}
    assert (rows["A", "C"]["joint_orders"], rows["A", "C"]["kind"]) == (1, "related")
    alone = {(r["product_id"], r["similar_product_id"]): r for r in made(reason_min_people=1).to_pylist()}
    assert alone["A", "C"]["kind"] == alone["C", "A"]["kind"] == "complement"
    table = made(space=np.ones_like(SPACE) / np.sqrt(2))
    assert neighbours(table, "A", "substitute") == ["B"]  # ties by id; F stays a complement


def test_no_more_than_so_many_and_nothing_that_points_away():
    assert neighbours(made(neighbours=1), "A", "related") == ["C"]
    away = SPACE.copy()
    away[IDS.index("B")] = [-1, 0]
    assert neighbours(made(space=away), "A", "substitute") == []
    with pytest.raises(ShapeError, match="3 rows, the snapshot 8"):
        made(space=SPACE[:3])


def test_a_cosine_is_the_mean_of_the_parts_and_popularity_is_no_part():
    blocks = {"vehicles": (0, 1), "popularity": (1, 2), "items": (2, 4), "learned": (4, 5), "bias": (5, 6)}
    # All alike in what was learned, as rows are that point at their slack: it must not make them alike.
    vectors = np.array([[3.0, 9, 1, 0, 4, 1], [2.0, -9, 0, 1, 4, 7], [-5.0, 9, 2, 0, 4, 1]])
    space = similarity_space(vectors, blocks)
    cosine = space @ space.T
    assert cosine[0, 1] == pytest.approx(1 / 2, abs=1e-6)  # vehicles 1, items 0
    assert cosine[0, 2] == pytest.approx(0.0, abs=1e-6)  # vehicles −1, items 1
    assert similarity_space(vectors, blocks, ["items"]) @ np.array([1.0, 0]) == pytest.approx([1, 0, 1])
    with pytest.raises(ShapeError, match="width 5"):
        similarity_space(vectors[:, :5], blocks)


@pytest.fixture
def week(any_warehouse, dataset):
    found = WeekTables(dt.date(2026, 6, 1), dataset)
    for name, frame in make_tables(**STORE).items():
        if name in ("products", "vehicles", "fitment"):
            any_warehouse.load(found.table(name), conform(name, pa.Table.from_pandas(frame, preserve_index=False)))
    return {name: found.table(name) for name in ("products", "vehicles", "fitment")}


def settings_of(dataset):
    return make_settings(warehouse={"work_dataset": dataset, "serving_dataset": dataset})


def change(rows, where, **values):
    return [r | values if (r["product_id"], r["similar_product_id"]) == where else r for r in rows]


SPOILS = [
    pytest.param(lambda r: change(r, ("A", "B"), similar_product_id="A"), "not_itself", id="itself"),
    pytest.param(lambda r: change(r, ("A", "B"), similar_product_id="A-R"), "not_itself", id="own colour"),
    pytest.param(lambda r: [*r, r[0] | {"rank": 9}], "one_kind_each", id="twice"),
    pytest.param(lambda r: change(r, ("A", "C"), rank=7), "one_kind_each", id="gap in the ranks"),
    pytest.param(lambda r: change(r, ("A", "F"), joint_orders=9), "alike_both_ways", id="other count the other way"),
    pytest.param(lambda r: change(r, ("A", "F"), people=9), "alike_both_ways", id="other people"),
    pytest.param(lambda r: change(r, ("A", "F"), kind="related", rank=3), "alike_both_ways", id="other kind"),
    pytest.param(lambda r: change(r, ("A", "F"), similarity=0.1), "alike_both_ways", id="other similarity"),
    pytest.param(lambda r: change(r, ("A", "B"), similar_product_id="D"), "known_pairs", id="no vehicle in common"),
    pytest.param(lambda r: change(r, ("A", "B"), similar_product_id="GHOST"), "known_pairs", id="unknown product"),
]


def test_a_good_table_is_served_and_a_bad_one_leaves_it(any_warehouse, dataset, week):
    settings, good = settings_of(dataset), made()
    target = publish_side_table(any_warehouse, "similar", good, SIMILARITY_RULES, week, settings)
    assert any_warehouse.row_count(target) == good.num_rows
    for spoil in SPOILS:
        change_rows, rule = spoil.values
        bad = pa.Table.from_pylist(change_rows(good.to_pylist()), schema=SIMILARITY)
        with pytest.raises(PublishRefused, match=f"{rule}: it does not hold"):
            publish_side_table(any_warehouse, "similar", bad, SIMILARITY_RULES, week, settings)
        assert any_warehouse.row_count(target) == good.num_rows
    with pytest.raises(PublishRefused, match="no row"):
        publish_side_table(any_warehouse, "similar", good.slice(0, 0), SIMILARITY_RULES, week, settings)


def test_rules_of_the_universal_ranking(any_warehouse, dataset):
    settings = settings_of(dataset)
    good = [
        {"rank": n, "product_id": p, "score": 3.0 - n, "popularity_rank": n, "is_universal": False}
        for n, p in enumerate("AB", start=1)
    ]

    def put(rows):
        table = pa.Table.from_pylist(rows, schema=UNIVERSAL)
        return publish_side_table(any_warehouse, "ranking", table, UNIVERSAL_RULES, {}, settings)

    assert any_warehouse.row_count(put(good)) == 2
    for bad in (
        [good[0], good[1] | {"product_id": "A"}],
        [good[0], good[1] | {"rank": 3}],
        [good[0], good[1] | {"score": 9.0}],
        [good[0], good[1] | {"score": float("nan")}],
    ):
        with pytest.raises(PublishRefused, match="ranked_once"):
            put(bad)
    assert any_warehouse.row_count(TableName(dataset, "ranking")) == 2
