"""Users → audience rows: who shares a row, in which order, with which history."""

import numpy as np
import pytest

from gnn_core.errors import ShapeError
from gnn_core.scoring import audience as module
from gnn_core.scoring.audience import build_audience
from gnn_core.snapshot import ORDER, VIEW
from tests.core.builders import make_snapshot

CAMARO69, CAMARO70, CHEVELLE = "1969|chevrolet|camaro", "1970|chevrolet|camaro", "1969|chevrolet|chevelle"
OWNS = {
    "u0": [CAMARO69],
    "u1": [CAMARO69, CHEVELLE],
    "u2": [CAMARO69],
    "u3": [CAMARO69],  # has history
    "u4": [CHEVELLE, CAMARO69],
    "u5": [CAMARO70],
    "u6": [],
}
FITS = {"A": [CAMARO69], "B": [CHEVELLE]}
EVENTS = [("u3", "B", "view", "2026-05-01"), ("u3", "A", "order", "2026-05-02"), ("u0", "A", "view", "2026-07-01")]


@pytest.fixture
def snapshot():
    return make_snapshot(owns=OWNS, fits=FITS, events=EVENTS)


def test_cold_users_with_the_same_vehicles_share_a_row(snapshot):
    audience, row = build_audience(snapshot, np.arange(7))
    # u0 and u2; u1 and u4; u3 alone because of history; u5; u6 without vehicles. Lowest user first.
    assert row.tolist() == [0, 1, 0, 2, 1, 3, 4]
    assert audience.user_A.tolist() == [-1, -1, 3, 5, 6]
    assert audience.owns_AV.toarray().tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    # Camaros of both years are one segment; segments are sorted: camaro, chevelle.
    assert audience.owns_AS.toarray().tolist() == [[1, 0], [1, 1], [1, 0], [1, 0], [0, 0]]
    assert audience.as_of == snapshot.as_of


def test_history_is_by_row_and_ends_at_the_cutoff(snapshot):
    audience, row = build_audience(snapshot, np.array([3, 5]))
    assert row.tolist() == [0, 1]
    assert audience.history.user_E.tolist() == [0, 0]
    assert audience.history.product_E.tolist() == [1, 0]
    assert audience.history.kind_E.tolist() == [VIEW, ORDER]


def test_rows_do_not_depend_on_the_order_in_which_users_are_given(snapshot):
    audience, row = build_audience(snapshot, np.array([5, 2, 0, 5]))
    assert row.tolist() == [1, 0, 0, 1]
    assert audience.user_A.tolist() == [-1, 5]


def test_two_years_of_one_model_are_one_segment_and_stay_two_vehicles():
    snapshot = make_snapshot(owns={"u0": [CAMARO69, CAMARO70], "u1": [CAMARO70]}, fits=FITS)
    audience, _ = build_audience(snapshot, np.array([0, 1]))
    assert audience.owns_AV.toarray().tolist() == [[1, 0, 1], [0, 0, 1]]
    assert audience.owns_AS.toarray().tolist() == [[1, 0], [1, 0]]


def test_nobody_is_an_empty_audience(snapshot):
    audience, row = build_audience(snapshot, np.array([], dtype=np.int64))
    assert len(audience) == 0
    assert len(row) == 0


def test_a_user_outside_the_snapshot_is_named(snapshot):
    with pytest.raises(ShapeError, match="indices 0 to 7"):
        build_audience(snapshot, np.array([0, 7]))


def test_colliding_hashes_never_merge_two_vehicle_sets(snapshot, monkeypatch):
    real = module._hash_sets
    # Everything collides on the first round.
    monkeypatch.setattr(
        module, "_hash_sets", lambda rows, seed: real(rows, seed) * (np.uint64(0) if seed == 0 else np.uint64(1))
    )
    _, row = build_audience(snapshot, np.arange(7))
    assert row.tolist() == [0, 1, 0, 2, 1, 3, 4]


def test_grouping_equals_a_dictionary_of_sets():
    rng = np.random.default_rng(0)
    vehicles = [f"{1960 + i}|ford|mustang" for i in range(5)]
    owns = {f"u{i:03}": [v for v in vehicles if rng.random() < 0.4] for i in range(200)}
    snapshot = make_snapshot(owns=owns, fits={"A": vehicles})
    _, row = build_audience(snapshot, np.arange(200))
    seen: dict[tuple, int] = {}
    want = [seen.setdefault(tuple(owns[u]), len(seen)) for u in sorted(owns)]
    assert row.tolist() == want
