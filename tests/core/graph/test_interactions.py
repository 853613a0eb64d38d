"""Event weights and decay, by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gnn_core.config.learning import GraphSettings
from gnn_core.errors import ConfigError, LeakageError
from gnn_core.graph.interactions import decayed_pairs, event_weights
from tests.core.builders import make_snapshot

AS_OF = np.datetime64("2026-06-01", "us")
SETTINGS = GraphSettings({"view": 1.0, "cart": 3.0, "order": 5.0}, 30.0, 2, 50, 0, 0.0)
STORE = {"owns": {"ann": ["2018|ford|f-150"]}, "fits": {"P1": ["2018|ford|f-150"], "P2": ["2018|ford|f-150"]}}


def snapshot(*events: tuple):
    return make_snapshot(**STORE, events=events)


@pytest.mark.parametrize(
    ("kind", "day", "want"),
    [
        pytest.param("order", "2026-05-31", 5 * np.exp(-1 / 30), id="an order of yesterday"),
        pytest.param("cart", "2026-05-02", 3 * np.exp(-1), id="a cart one tau ago"),
        pytest.param(
            "view", "2026-05-31 23:00", np.exp(-1 / 24 / 30), id="a view of an hour ago: age is no whole number of days"
        ),
    ],
)
def test_weight_matches_hand_value(kind, day, want):
    events = snapshot(("ann", "P1", kind, day)).events
    assert event_weights(events, AS_OF, SETTINGS) == pytest.approx([want], rel=1e-12)


def test_tau_is_no_half_life():
    events = snapshot(("ann", "P1", "view", "2026-05-02")).events
    assert event_weights(events, AS_OF, SETTINGS)[0] == pytest.approx(1 / np.e)
    half_life = dataclasses.replace(SETTINGS, decay_tau_days=30 / np.log(2))
    assert event_weights(events, AS_OF, half_life)[0] == pytest.approx(0.5)


def test_repeated_events_of_a_pair_add_up_and_pairs_are_sorted():
    events = snapshot(
        ("ann", "P2", "view", "2026-05-02"),
        ("ann", "P1", "order", "2026-05-02"),
        ("ann", "P2", "cart", "2026-05-02"),
        ("ann", "P2", "view", "2026-04-02"),
    ).events
    pairs = decayed_pairs(events, AS_OF, 2, SETTINGS)
    assert pairs.product_K.tolist() == [0, 1]
    assert pairs.weight_K == pytest.approx([5 / np.e, (1 + 3) / np.e + np.exp(-2)])


def test_age_counts_from_the_cutoff_that_is_given():
    events = snapshot(("ann", "P1", "view", "2026-03-02")).events
    later, earlier = (event_weights(events, np.datetime64(day), SETTINGS)[0] for day in ("2026-05-01", "2026-04-01"))
    assert earlier / later == pytest.approx(np.e)


def test_infinite_tau_switches_decay_off():
    events = snapshot(("ann", "P1", "order", "2006-05-02")).events
    assert event_weights(events, AS_OF, SETTINGS, tau_days=np.inf).tolist() == [5.0]


@pytest.mark.parametrize("moment", ["2026-06-01", "2026-06-02"])
def test_an_event_at_or_after_the_cutoff_is_refused(moment):
    events = make_snapshot(
        **STORE, events=[("ann", "P1", "view", moment)], as_of=np.datetime64("2026-07-01", "us")
    ).events
    with pytest.raises(LeakageError, match="1 event"):
        event_weights(events, AS_OF, SETTINGS)


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param({"view": 1.0, "cart": 3.0}, id="missing kind"),
        pytest.param({"view": 1.0, "cart": 3.0, "order": 5.0, "return": 1.0}, id="unknown kind"),
        pytest.param({"view": -1.0, "cart": 3.0, "order": 5.0}, id="negative"),
        pytest.param({"view": 0.0, "cart": 0.0, "order": 0.0}, id="only zeros"),
    ],
)
def test_weights_that_do_not_match_the_event_kinds_are_refused(weights):
    events = snapshot(("ann", "P1", "view", "2026-05-02")).events
    with pytest.raises(ConfigError, match="event_weights"):
        event_weights(events, AS_OF, dataclasses.replace(SETTINGS, event_weights=weights))
