"""Groups, nearest groups and look-alikes on vectors that are written by hand."""

import numpy as np
import pytest

from gnn_core.discovery.space import similarity_space, user_parts
from gnn_core.discovery.users import active_share, group_users, look_alikes, nearest_groups, similarity_rows, user_rows
from gnn_core.errors import DataError, ShapeError
from gnn_core.scoring.audience import build_audience
from tests.core.builders import make_snapshot

C69, C70, NOVA, F150 = "1969|chevrolet|camaro", "1970|chevrolet|camaro", "1972|chevrolet|nova", "1999|ford|f-150"
STORE = {
    "owns": {"ann": [C69], "bob": [C70], "cid": [NOVA], "dee": [F150], "eve": [C69], "fay": [], "gus": [C69, NOVA]},
    "fits": {"P": [C69]},
    "events": [("eve", "P", "view", "2026-05-01")],
}


def grouped():
    train = make_snapshot(**STORE)
    audience, row_U = build_audience(train, np.arange(len(train.user_ids)))
    return train, audience, group_users(audience, row_U)


def test_cold_owners_of_any_year_are_one_group_and_a_history_is_its_own():
    _, _, groups = grouped()
    ann, bob, cid, dee, eve, fay, gus = groups.group_U
    assert ann == bob
    assert fay == -1
    assert len({ann, cid, dee, eve, gus}) == 5
    assert groups.users_G[ann] == 2
    assert groups.has_history_G.tolist() == [g == eve for g in range(5)]


#                      camaro     nova       f-150       eve        camaro + nova
DIRECTIONS = np.radians([0.0, 60.0, 180.0, 20.0, 30.0])


def space(groups):
    ann, _, cid, dee, eve, _, gus = groups.group_U
    angles = dict(zip((ann, cid, dee, eve, gus), DIRECTIONS, strict=True))
    return np.array([[np.cos(angles[g]), np.sin(angles[g])] for g in range(5)], dtype=np.float32)


def test_nearest_by_hand_never_itself_and_never_the_opposite():
    _, audience, groups = grouped()
    ann, _, cid, dee, eve, _, gus = groups.group_U
    nearest = nearest_groups(space(groups), 3)
    assert nearest.group_GK[ann].tolist() == [eve, gus, cid]
    assert nearest.group_GK[dee].tolist() == [-1, -1, -1]
    assert nearest.similarity_GK[ann, 0] == pytest.approx(np.cos(np.radians(20)), abs=1e-5)
    rows = similarity_rows(groups, nearest, audience.owns_AS[groups.row_G]).to_pylist()
    assert all(r["group"] != r["similar_group"] for r in rows)
    (first,) = [r for r in rows if (r["group"], r["rank"]) == (gus, 1)]
    assert (first["similar_group"], first["users"], first["shared_vehicles"]) == (eve, 1, 1)
    (camaro,) = [r for r in rows if (r["group"], r["similar_group"]) == (gus, ann)]
    assert (camaro["users"], camaro["shared_vehicles"], camaro["has_history"]) == (2, 1, False)
    assert len(nearest_groups(space(groups)[:1], 3).group_GK[0]) == 3


def test_ties_go_to_the_lower_group():
    same = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (5, 1))
    assert nearest_groups(same, 4).group_GK[2].tolist() == [0, 1, 3, 4]


def test_look_alikes_by_hand():
    train, _, groups = grouped()
    nearest = nearest_groups(space(groups), 4)
    ids = train.user_ids
    seed = np.flatnonzero(ids == "ann")
    # bob shares ann's group; then by similarity eve, gus, cid; dee is the opposite and fay has no vehicle.
    assert ids[look_alikes(seed, groups, nearest, 10)].tolist() == ["bob", "eve", "gus", "cid"]
    assert ids[look_alikes(seed, groups, nearest, 2)].tolist() == ["bob", "eve"]
    two = np.flatnonzero(np.isin(ids, ["cid", "gus"]))
    assert ids[look_alikes(two, groups, nearest, 10)].tolist()[0] == "eve"
    with pytest.raises(DataError, match="none of the seeds owns a vehicle"):
        look_alikes(np.flatnonzero(ids == "fay"), groups, nearest, 3)
    with pytest.raises(ShapeError, match="there are 7 users"):
        look_alikes(np.array([7]), groups, nearest, 3)


def test_rows_of_users_and_shares():
    train, _, groups = grouped()
    rows = user_rows(train.user_ids, groups).to_pylist()
    assert [r["user_id"] for r in rows] == ["ann", "bob", "cid", "dee", "eve", "gus"]
    assert active_share(np.array([0, 1]), np.array([True, False])) == 0.5
    assert active_share(np.zeros(0, int), np.array([True])) is None


def test_users_are_compared_by_the_part_of_their_taste_that_the_score_gives_weight():
    # Vehicles, item graph, smooth part: one vehicle for all, and a fit that gave the item graph no weight.
    blocks = {"vehicles": (0, 1), "items": (1, 3), "spectral": (3, 5)}
    users = np.array([[1.0, 0, 0, 3, 0], [1.0, 0, 0, 2, 0.1], [1.0, 0, 0, 0, 5]])
    assert user_parts(users, blocks) == ("vehicles", "spectral")
    near = nearest_groups(similarity_space(users, blocks, user_parts(users, blocks)), 1)
    assert near.group_GK[:2, 0].tolist() == [1, 0]
    only_taste = np.where([False, True, True, True, True], users, 0.0)
    lost = nearest_groups(similarity_space(only_taste, blocks), 1)
    assert (lost.group_GK == -1).all()
    kept = nearest_groups(similarity_space(only_taste, blocks, user_parts(only_taste, blocks)), 1)
    assert kept.group_GK[:2, 0].tolist() == [1, 0]
    weighed = users + np.array([0, 1.0, 0, 0, 0])
    assert user_parts(weighed, blocks) == ("vehicles", "items")
    # Cold users alone, or a model without a smooth part: nothing to choose from.
    assert user_parts(users[:, :3], {"vehicles": (0, 1), "items": (1, 3), "spectral": (3, 3)}) == ("vehicles", "items")
    assert user_parts(users[:, :3], {"vehicles": (0, 1), "items": (1, 3)}) == ("vehicles", "items")
