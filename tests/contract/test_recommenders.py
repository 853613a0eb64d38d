"""One suite for every recommender: the protocol, cold and new rows, no future, and worlds whose answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gnn_core.recommender import Audience
from gnn_core.scoring.audience import build_audience, coarsen
from gnn_core.scoring.rank import top_k
from gnn_core.snapshot import ORDER, Snapshot, build_snapshot
from tests.contract.recommender_registry import REGISTRY, tiny_settings
from tests.core.builders import AS_OF, make_tables

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")
CARS = [f"{1960 + i}|make{i % 2}|model{i}" for i in range(4)]
N_PRODUCTS = 20
PRODUCTS = [f"P{i:02}" for i in range(N_PRODUCTS)]
everyone = pytest.mark.parametrize("name", sorted(REGISTRY))
of_vehicles = pytest.mark.parametrize("name", sorted(n for n, e in REGISTRY.items() if e.learns_vehicles))
of_items = pytest.mark.parametrize("name", sorted(n for n, e in REGISTRY.items() if e.learns_items))


def _block_world():
    """Everything fits everyone; owners of car b order products 5b … 5b + 4. `new*` are cold."""
    owns = {f"u{b}_{i:02}": [CARS[b]] for b in range(4) for i in range(10)}
    owns |= {f"new{b}": [CARS[b]] for b in range(4)} | {"two": [CARS[1], CARS[2]], "none": []}
    events = [
        (f"u{b}_{i:02}", PRODUCTS[5 * b + j], "order", f"2026-04-{i + 1:02}", f"o{b}{i}{j}")
        for b in range(4)
        for i in range(10)
        for j in range(5)
        if i < 10 - j
    ]
    return make_tables(owns=owns, fits=dict.fromkeys(PRODUCTS, CARS), events=events)


def _checkerboard_world():
    """All own one car. User i ordered every product of its parity but product i."""
    owns = {f"u{i:02}": [CARS[0]] for i in range(N_PRODUCTS)}
    events = [
        (f"u{i:02}", PRODUCTS[j], "order", "2026-05-01", f"o{i}_{j}")
        for i in range(N_PRODUCTS)
        for j in range(N_PRODUCTS)
        if i % 2 == j % 2 and i != j
    ]
    return make_tables(owns=owns, fits={p: [CARS[0]] for p in PRODUCTS}, events=events)


def _best_seller_world():
    """Nobody of the new car's make ever ordered; product 13 sells most elsewhere, product 4 comes second."""
    owns = {f"u{i:02}": [CARS[1]] for i in range(12)} | {"new": [CARS[0]]}
    events = [(f"u{i:02}", PRODUCTS[13], "order", "2026-05-01", f"a{i}") for i in range(12)]
    events += [(f"u{i:02}", PRODUCTS[4], "order", "2026-05-02", f"b{i}") for i in range(7)]
    return make_tables(owns=owns, fits=dict.fromkeys(PRODUCTS, CARS[:2]), events=events)


def _fitted(name, tables, as_of=AS_OF):
    train = build_snapshot(tables, as_of)
    recommender = REGISTRY[name].make(tables, as_of, tiny_settings())
    recommender.fit(train)
    return recommender, train


def _scores(recommender, audience):
    recommender.prepare(audience)
    return recommender.score_block(0, len(audience))


def _all_users(train: Snapshot) -> tuple[Audience, np.ndarray]:
    return build_audience(train, np.arange(len(train.user_ids)))


def _row(train, row_of_user, user_id):
    return row_of_user[list(train.user_ids).index(user_id)]


@everyone
def test_blocks_have_the_promised_shape_and_are_finite(name):
    recommender, train = _fitted(name, _block_world())
    audience, _ = _all_users(train)
    recommender.prepare(audience)
    for start, stop in ((0, 1), (2, 7), (0, len(audience)), (3, 3)):
        block = recommender.score_block(start, stop)
        assert block.shape == (stop - start, N_PRODUCTS)
        assert block.dtype == np.float32
        assert np.isfinite(block).all()
    assert recommender.name


@everyone
def test_scores_do_not_depend_on_the_block_or_on_who_else_is_scored(name):
    recommender, train = _fitted(name, _block_world())
    users = np.arange(len(train.user_ids))
    audience, row = build_audience(train, users)
    whole = _scores(recommender, audience)
    blocks = np.vstack([recommender.score_block(i, min(i + 3, len(audience))) for i in range(0, len(audience), 3)])
    np.testing.assert_allclose(blocks, whole, rtol=1e-5, atol=1e-6)
    few, row_few = build_audience(train, users[5:9])
    np.testing.assert_allclose(_scores(recommender, few)[row_few], whole[row[5:9]], rtol=1e-5, atol=1e-6)


@everyone
def test_the_same_data_give_the_same_bytes(name):
    first, train = _fitted(name, _checkerboard_world())
    second, _ = _fitted(name, _checkerboard_world())
    audience, _ = _all_users(train)
    assert _scores(first, audience).tobytes() == _scores(second, audience).tobytes()
    assert _scores(first, audience).tobytes() == _scores(first, audience).tobytes()


@everyone
def test_what_happens_at_or_after_the_cutoff_changes_nothing(name):
    tables = _block_world()
    later = pd.DataFrame(
        [
            (u, PRODUCTS[19], kind, pd.Timestamp(day, tz="UTC"), order, 1, None)
            for u in tables["users"]["user_id"]
            for kind, day, order in (("order", "2026-06-01", "late"), ("view", "2026-06-20", None))
        ],
        columns=tables["events"].columns,
    )
    before, train = _fitted(name, tables)
    after, train_after = _fitted(name, tables | {"events": pd.concat([tables["events"], later], ignore_index=True)})
    want, got = (_scores(r, _all_users(t)[0]) for r, t in ((before, train), (after, train_after)))
    assert got.tobytes() == want.tobytes()


@everyone
def test_a_snapshot_that_still_holds_the_future_is_read_up_to_its_moment(name):
    full = build_snapshot(_block_world(), AS_OF)
    moment = np.datetime64("2026-04-06", "us")
    tables, settings = _block_world(), tiny_settings()
    clean, dirty = (REGISTRY[name].make(tables, moment, settings) for _ in range(2))
    clean.fit(full.before(moment))
    dirty.fit(replace(full, as_of=moment))
    audience, _ = _all_users(full.before(moment))
    assert _scores(dirty, audience).tobytes() == _scores(clean, audience).tobytes()


@everyone
def test_a_user_that_training_never_saw_is_scored_by_their_vehicle(name):
    recommender, train = _fitted(name, _block_world())
    known, row = _all_users(train)
    owns = sparse.csr_matrix(np.eye(len(CARS), dtype=np.float32)[[2]])
    stranger = Audience(
        owns_AV=owns,
        owns_AS=coarsen(owns, train.segment_V, len(train.segment_ids)),
        history=train.events.take(np.zeros(0, dtype=np.int64)),
        user_A=np.array([-1]),
        as_of=train.as_of,
    )
    want = _scores(recommender, known)[_row(train, row, "new2")]
    np.testing.assert_allclose(_scores(recommender, stranger)[0], want, rtol=1e-5, atol=1e-6)


@everyone
def test_an_empty_audience_is_no_error(name):
    recommender, train = _fitted(name, _block_world())
    audience, _ = build_audience(train, np.zeros(0, dtype=np.int64))
    assert _scores(recommender, audience).shape == (0, N_PRODUCTS)


@of_vehicles
def test_a_cold_owner_gets_what_owners_of_that_car_order(name):
    recommender, train = _fitted(name, _block_world())
    audience, row = _all_users(train)
    scores = _scores(recommender, audience)
    best, _ = top_k(scores, np.ones(scores.shape, dtype=bool), 5)
    for car in range(4):
        assert set(best[_row(train, row, f"new{car}")]) == set(range(5 * car, 5 * car + 5))
    assert set(best[_row(train, row, "two")]) <= set(range(5, 15))


@of_items
def test_the_withheld_product_of_a_checkerboard_ranks_first(name):
    recommender, train = _fitted(name, _checkerboard_world())
    audience, row = _all_users(train)
    assert row.tolist() == list(range(N_PRODUCTS))
    history = audience.history
    assert (history.kind_E == ORDER).all()
    unseen = np.ones((N_PRODUCTS, N_PRODUCTS), dtype=bool)
    unseen[history.user_E, history.product_E] = False
    best, _ = top_k(_scores(recommender, audience), unseen, 1)
    assert best.ravel().tolist() == list(range(N_PRODUCTS))


@everyone
def test_where_nothing_else_is_known_the_best_seller_leads(name):
    recommender, train = _fitted(name, _best_seller_world())
    audience, row = _all_users(train)
    scores = _scores(recommender, audience)
    best, _ = top_k(scores, np.ones(scores.shape, dtype=bool), 2)
    assert best[_row(train, row, "new")].tolist() == [13, 4]
