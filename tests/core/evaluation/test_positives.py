"""Held-out positives: window, distinctness, origin, who can be reached at all."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from gnn_core.errors import DataError, LeakageError, ShapeError
from gnn_core.evaluation.panel import build_panel
from gnn_core.evaluation.positives import Clicks, email_clicks, follows_click, held_out_positives
from tests.core.evaluation import world
from tests.core.evaluation.world import CUT, DAY

HOUR = 3_600_000_000


def _pairs(store, positives):
    return [
        (store.user_ids[u], store.product_ids[p]) for u, p in zip(positives.user_N, positives.product_N, strict=True)
    ]


def _held_out(store, clicks=None, **evaluation):
    settings = world.settings(evaluation=evaluation).evaluation
    return held_out_positives(store, store.before(CUT.fitted_before), CUT, settings, clicks)


def _clicks(store, *rows):
    sends = pd.DataFrame({"tracking_id": [f"t{i}" for i in range(len(rows))], "user_id": [u for u, _, _ in rows]})
    engagements = pd.DataFrame(
        {
            "tracking_id": sends["tracking_id"],
            "kind": [kind for _, kind, _ in rows],
            "engaged_ts": pd.to_datetime([ts for _, _, ts in rows], utc=True),
        }
    )
    return email_clicks(store, sends, engagements)


def test_positives_are_distinct_and_inside_the_window():
    store = world.snapshot()
    assert _pairs(store, _held_out(store)) == [
        ("ann", "N00"),
        ("ann", "N03"),
        ("bob", "N11"),
        ("bob", "O00"),
        ("cat", "N01"),
        ("dan", "O03"),
        ("eve", "N00"),
    ]


def test_first_moment_counts_and_the_end_does_not():
    events = [("ann", "N00", "view", CUT.start), ("ann", "N01", "view", CUT.end - np.timedelta64(1, "us"))]
    late = [("ann", "N02", "view", CUT.end), ("ann", "N03", "view", CUT.start - np.timedelta64(1, "us"))]
    store = world.snapshot(events=events + late)
    assert _pairs(store, _held_out(store)) == [("ann", "N00"), ("ann", "N01")]


def test_only_the_events_asked_for_count():
    store = world.snapshot()
    assert _pairs(store, _held_out(store, positive_events=("cart", "order"))) == [("ann", "N00"), ("bob", "N11")]


def test_new_products_only_drops_what_the_user_ordered_before():
    store = world.snapshot()
    assert ("dan", "O03") not in _pairs(store, _held_out(store, new_products_only=True))
    assert len(_held_out(store, new_products_only=True)) == len(_held_out(store)) - 1


def test_require_history_keeps_only_users_with_an_event_before():
    store = world.snapshot()
    assert _pairs(store, _held_out(store, require_history=True)) == [("cat", "N01"), ("dan", "O03")]


@pytest.mark.parametrize(
    ("hours", "follows"),
    [
        pytest.param(-0.001, False, id="before the click"),
        pytest.param(0, True, id="at the click"),
        pytest.param(24, True, id="exactly a day later"),
        pytest.param(24.001, False, id="more than a day later"),
    ],
)
def test_an_event_follows_its_own_users_click_for_a_day(hours, follows):
    clicks = Clicks(np.array([3]), np.array([100 * HOUR]))
    event = np.array([100 * HOUR + round(hours * HOUR)])
    assert follows_click(np.array([3]), event, clicks, 24.0).tolist() == [follows]
    assert follows_click(np.array([4]), event, clicks, 24.0).tolist() == [False]


def test_the_latest_click_before_the_event_decides():
    clicks = Clicks(np.array([1, 1, 1]), np.array([0, 90, 200]) * HOUR)
    assert follows_click(np.array([1, 1]), np.array([100, 60]) * HOUR, clicks, 24.0).tolist() == [True, False]


def test_a_positive_with_any_organic_event_is_organic():
    store = world.snapshot()
    both = _clicks(store, ("ann", "click", "2026-05-02T00:00"), ("cat", "click", "2026-05-09T12:00"))
    found = dict(zip(_pairs(store, _held_out(store, both)), _held_out(store, both).organic_N, strict=True))
    # Ann's view follows her click, her order a day and a bit later does not... it is exactly a day later: it does.
    assert not found["ann", "N00"]
    assert not found["cat", "N01"]
    assert found["ann", "N03"]
    only_view = world.settings().evaluation.email_attribution_hours - 1
    shorter = _held_out(store, both, email_attribution_hours=only_view)
    assert dict(zip(_pairs(store, shorter), shorter.organic_N, strict=True))["ann", "N00"]


def test_opens_and_other_peoples_clicks_attribute_nothing():
    store = world.snapshot()
    clicks = _clicks(store, ("ann", "open", "2026-05-02T00:00"), ("bob", "click", "2026-05-02T00:00"))
    assert _held_out(store, clicks).organic_N[:2].all()


def test_clicks_without_a_send_or_a_known_user_are_left_out():
    store = world.snapshot()
    sends = pd.DataFrame({"tracking_id": ["a", "b"], "user_id": ["ann", "stranger"]})
    engagements = pd.DataFrame(
        {
            "tracking_id": ["a", "b", "lost"],
            "kind": "click",
            "engaged_ts": pd.to_datetime(["2026-05-02", "2026-05-02", "2026-05-02"], utc=True),
        }
    )
    assert email_clicks(store, sends, engagements).user_C.tolist() == [0]


def test_panel_counts_who_can_be_reached():
    store = world.snapshot()
    panel = build_panel(store, store.before(CUT.fitted_before), CUT, world.settings(), world.eligible(store))
    users = panel.users.set_index("user_id")
    assert users["n_positives"].to_dict() == {"ann": 2, "bob": 1, "cat": 1, "dan": 1}
    assert users["n_unreachable"].to_dict() == {"ann": 0, "bob": 1, "cat": 0, "dan": 0}
    assert users["tier"].to_dict() == {"ann": "cold", "bob": "cold", "cat": "warm", "dan": "hot"}
    facts = panel.facts
    assert (facts.users_active, facts.users_evaluable, facts.users_unreachable) == (5, 4, 1)
    assert (facts.positives, facts.positives_unreachable) == (7, 2)
    # Ann and Bob own the same car and have no history: one row of work.
    assert panel.row_U[0] == panel.row_U[1]
    assert len(panel.audience) == 3


def test_an_ineligible_product_cannot_be_reached():
    store = world.snapshot()
    eligible = world.eligible(store) & (store.product_ids != "N01")
    panel = build_panel(store, store.before(CUT.fitted_before), CUT, world.settings(), eligible)
    assert "cat" not in set(panel.users["user_id"])
    assert panel.facts.users_unreachable == 2


def test_blocks_hand_out_every_pair_once():
    store = world.snapshot()
    panel = build_panel(store, store.before(CUT.fitted_before), CUT, world.settings(), world.eligible(store))
    for rows in (1, 2, 100):
        pairs = np.concatenate([block.pair_N for block in panel.blocks(rows)])
        assert pairs.tolist() == list(range(len(panel.pairs[0])))


def test_a_window_that_is_not_over_is_refused():
    store = world.snapshot(as_of=CUT.end - DAY)
    with pytest.raises(DataError, match=r"before the window does at 2026-05-31"):
        _held_out(store)


def test_a_training_snapshot_past_the_cutoff_is_refused():
    store = world.snapshot()
    with pytest.raises(LeakageError, match=r"cut it with snapshot\.before"):
        held_out_positives(store, store, CUT, world.settings().evaluation)


def test_snapshots_of_two_stores_are_refused():
    store = world.snapshot()
    other = world.snapshot(fits=world.FITS | {"N99": [world.NEW]}).before(CUT.start)
    with pytest.raises(ShapeError, match="differ in product_ids"):
        held_out_positives(store, other, CUT, world.settings().evaluation)


def test_eligibility_of_another_length_is_refused():
    store = world.snapshot()
    with pytest.raises(ShapeError, match=r"eligible_P has shape \(3,\)"):
        build_panel(store, store.before(CUT.start), CUT, world.settings(), np.ones(3, dtype=bool))


def test_a_cut_fitted_inside_its_window_is_refused():
    with pytest.raises(LeakageError):
        dataclasses.replace(CUT, fitted_before=CUT.start + DAY)
