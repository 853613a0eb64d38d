"""One suite for every recommender: the protocol, cold and new rows, no future, and worlds whose answer is known."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gnn_core.errors import LeakageError
from gnn_core.recommender import Audience
from gnn_core.scoring.audience import build_audience, coarsen
from gnn_core.scoring.peers import PEERS
from gnn_core.scoring.rank import top_k
from gnn_core.snapshot import Snapshot, build_snapshot
from tests.contract.recommender_registry import REGISTRY, tiny_settings
from tests.contract.recommender_worlds import CARS, N_PRODUCTS, PRODUCTS, WORLDS, World
from tests.core.builders import AS_OF

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")
everyone = pytest.mark.parametrize("name", sorted(REGISTRY))
solved = [(n, w, e.bar) for n, e in sorted(REGISTRY.items()) for w in sorted(e.solves)]
exact = pytest.mark.parametrize("name", [n for n, world, bar in solved if world == "vehicle" and bar > 0.9])


@cache
def _world(world: str) -> World:
    return WORLDS[world]()


def _fresh(name, tables, as_of=AS_OF):
    train = build_snapshot(tables, as_of)
    recommender = REGISTRY[name].make(tables, as_of, tiny_settings())
    recommender.fit(train)
    return recommender, train


@cache
def _fitted(name, world="vehicle"):
    """Fitted once a world: every test prepares its own audience, so none sees what another has asked."""
    return _fresh(name, _world(world).tables)


def _scores(recommender, audience):
    recommender.prepare(audience)
    return recommender.score_block(0, len(audience))


def _all_users(train: Snapshot) -> tuple[Audience, np.ndarray]:
    return build_audience(train, np.arange(len(train.user_ids)))


def _row(train, row_of_user, user_id):
    return row_of_user[list(train.user_ids).index(user_id)]


@everyone
def test_blocks_have_the_promised_shape_and_are_finite(name):
    recommender, train = _fitted(name)
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
    recommender, train = _fitted(name)
    users = np.arange(len(train.user_ids))
    audience, row = build_audience(train, users)
    whole = _scores(recommender, audience)
    blocks = np.vstack([recommender.score_block(i, min(i + 3, len(audience))) for i in range(0, len(audience), 3)])
    np.testing.assert_allclose(blocks, whole, rtol=1e-5, atol=1e-6)
    few, row_few = build_audience(train, users[5:9])
    np.testing.assert_allclose(_scores(recommender, few)[row_few], whole[row[5:9]], rtol=1e-5, atol=1e-6)


@everyone
def test_the_same_data_give_the_same_bytes(name):
    first, train = _fitted(name, "item")
    second, _ = _fresh(name, _world("item").tables)
    audience, _ = _all_users(train)
    assert _scores(first, audience).tobytes() == _scores(second, audience).tobytes()
    assert _scores(first, audience).tobytes() == _scores(first, audience).tobytes()


@everyone
def test_what_happens_at_or_after_the_cutoff_changes_nothing(name):
    tables = _world("vehicle").tables
    later = pd.DataFrame(
        [
            (u, PRODUCTS[19], kind, pd.Timestamp(day, tz="UTC"), order, 1, None)
            for u in tables["users"]["user_id"]
            for kind, day, order in (("order", "2026-06-01", "late"), ("view", "2026-06-20", None))
        ],
        columns=tables["events"].columns,
    )
    before, train = _fitted(name)
    after, train_after = _fresh(name, tables | {"events": pd.concat([tables["events"], later], ignore_index=True)})
    want, got = (_scores(r, _all_users(t)[0]) for r, t in ((before, train), (after, train_after)))
    assert got.tobytes() == want.tobytes()


@everyone
def test_a_snapshot_that_still_holds_the_future_is_read_up_to_its_moment_or_refused(name):
    tables, settings = _world("vehicle").tables, tiny_settings()
    full = build_snapshot(tables, AS_OF)
    moment = np.datetime64("2026-04-06", "us")
    clean, dirty = (REGISTRY[name].make(tables, moment, settings) for _ in range(2))
    if REGISTRY[name].refuses_future:
        with pytest.raises(LeakageError, match="after the cutoff"):
            dirty.fit(replace(full, as_of=moment))
        return
    clean.fit(full.before(moment))
    dirty.fit(replace(full, as_of=moment))
    audience, _ = _all_users(full.before(moment))
    assert _scores(dirty, audience).tobytes() == _scores(clean, audience).tobytes()


@everyone
def test_a_user_that_training_never_saw_is_scored_by_their_vehicle(name):
    recommender, train = _fitted(name)
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
    recommender, train = _fitted(name)
    audience, _ = build_audience(train, np.zeros(0, dtype=np.int64))
    assert _scores(recommender, audience).shape == (0, N_PRODUCTS)


@exact
def test_a_cold_owner_gets_what_owners_of_that_car_order(name):
    recommender, train = _fitted(name)
    audience, row = _all_users(train)
    scores = _scores(recommender, audience)
    best, _ = top_k(scores, np.ones(scores.shape, dtype=bool), 5)
    for car in range(4):
        assert set(best[_row(train, row, f"new{car}")]) == set(range(5 * car, 5 * car + 5))
    assert set(best[_row(train, row, "two")]) <= set(range(5, 15))


@pytest.mark.parametrize(("name", "world", "bar"), solved)
def test_a_model_solves_the_worlds_that_were_made_for_it(name, world, bar):
    assert _right_share(name, world) >= bar


def test_every_peer_is_under_contract():
    assert set(PEERS) <= set(REGISTRY)


@pytest.mark.parametrize("world", [w for w in sorted(WORLDS) if w != "best_seller"])
def test_these_worlds_tell_popularity_nothing(world):
    assert _right_share("popularity", world) == 0.5


@pytest.mark.parametrize("world", sorted(WORLDS))
@everyone
def test_in_worlds_of_others_a_model_is_no_worse_than_popularity(name, world):
    assert _right_share(name, world) >= _right_share("popularity", world) - 0.01


@everyone
def test_where_nothing_else_is_known_the_best_seller_leads(name):
    recommender, train = _fitted(name, "best_seller")
    audience, row = _all_users(train)
    scores = _scores(recommender, audience)
    best, _ = top_k(scores, np.ones(scores.shape, dtype=bool), 2)
    assert best[_row(train, row, "new")].tolist() == [13, 4]


@cache
def _right_share(name, world):
    recommender, train = _fitted(name, world)
    audience, row = _all_users(train)
    scores = _scores(recommender, audience)
    assert np.isfinite(scores).all()
    return _world(world).right_share(scores, row, train)
