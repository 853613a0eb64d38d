"""A year of weekly merges equals a year of rebuilds, edge for edge; what cannot be merged is rebuilt, and says why."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from gnn_core.config.learning import GraphSettings
from gnn_core.contracts import CONTRACTS
from gnn_core.errors import LeakageError
from gnn_core.graph import refresh as module
from gnn_core.graph.hetero import EDGE_TYPES, build_graph, build_structure
from gnn_core.graph.refresh import MERGED, REBUILT, coded, facts_graph, rebuild, refresh, same, with_facts
from gnn_core.snapshot import build_snapshot
from gnn_core.stores.staging import stage_table
from gnn_core.stores.week import WeekTables
from tests.core.builders import make_tables

SETTINGS = GraphSettings({"view": 1.0, "cart": 3.0, "order": 5.0}, 30.0, 2, 50, 0, 0.0)
END, WEEKS, DAY = np.datetime64("2026-03-02", "us"), 52, np.timedelta64(1, "D")


def hand_made(seed=3):
    """A small store with a year of events: baskets, repeated rows, and orders that come in two parts."""
    rng = np.random.default_rng(seed)
    vehicles = [f"20{10 + i}|make{i % 2}|model{i % 4}" for i in range(8)]
    users = {f"u{i:02d}": [vehicles[i % 8]] for i in range(30)}
    products = {f"p{i:02d}": [vehicles[i % 8], vehicles[(i + 3) % 8]] for i in range(25)}
    events = []
    for number in range(700):
        day = END - int(rng.integers(1, 370)) * DAY
        user = f"u{rng.integers(30):02d}"
        chosen = [f"p{p:02d}" for p in rng.choice(25, size=rng.integers(1, 4), replace=False)]
        if rng.random() < 0.5:
            events += [(user, p, "order", day, f"o{number}") for p in chosen]
        else:
            events += [(user, p, str(rng.choice(["view", "cart"])), day) for p in chosen]
    events += events[::50]
    return make_tables(owns=users, fits=products, events=events)


def weeks(tables, seed=5):
    """As-of date and the week's tables: a fifth of the rows arrive late, by up to six weeks, row by row."""
    rng = np.random.default_rng(seed)
    events = tables["events"]
    delay = np.where(rng.random(len(events)) < 0.2, rng.integers(1, 43, len(events)), 0)
    arrived = events["event_ts"] + pd.to_timedelta(delay, unit="D")
    for week in range(WEEKS + 1):
        as_of = END - 7 * (WEEKS - week) * DAY
        moment = pd.Timestamp(as_of, tz="UTC")
        yield as_of, {**tables, "events": events[(events["event_ts"] < moment) & (arrived < moment)]}


def edges(graph):
    """Edge type → the edges with their weights, bit for bit, by id."""
    names = {"user": graph.user_ids, "product": graph.product_ids, "vehicle": graph.segment_ids}
    return {
        kind[1]: [
            (names[kind[0]][s], names[kind[2]][t], w.tobytes())
            for (s, t), w in zip(
                graph.data[kind].edge_index.numpy().T, graph.data[kind].edge_weight.numpy(), strict=True
            )
        ]
        for kind in EDGE_TYPES
    }


def a_year(tables, every=1):
    facts, late, merges, pairs = None, 0, 0, 0
    structure = build_structure(build_snapshot(tables, END))
    for number, (as_of, week) in enumerate(weeks(tables)):
        found = refresh(facts, week["events"], as_of, "f")
        if facts is not None:
            assert found.facts.rows["n"].sum() == facts.rows["n"].sum() + found.new + found.late
        facts, late = found.facts, late + found.late
        merges += found.how == MERGED
        if number % every and number < WEEKS:
            continue
        assert same(facts, rebuild(week["events"], as_of, "f"))
        snapshot = build_snapshot(week, as_of)
        merged = facts_graph(facts, snapshot, SETTINGS, structure)
        full = build_graph(snapshot, SETTINGS, structure)
        assert merged.digest() == full.digest()
        pairs = len(full.data["product", "co_purchased", "product"].edge_weight)
    assert edges(merged) == edges(full)
    return late, merges, pairs


@pytest.mark.slow
def test_a_year_of_merges_with_late_rows_is_a_year_of_rebuilds_edge_for_edge():
    late, merges, pairs = a_year(hand_made(), every=4)
    assert merges == WEEKS
    assert late > 100
    assert pairs > 100


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_year_of_the_simulated_store_too(simulated_copy):
    settings, warehouse = simulated_copy.settings, simulated_copy.warehouse
    tables, week = {}, WeekTables(END.astype("datetime64[D]").item())
    for name in ("users", "vehicles", "products", "ownership", "fitment", "events"):
        stage_table(warehouse, name, week, settings)
        tables[name] = warehouse.read(week.table(name)).to_pandas()
    late, merges, pairs = a_year(tables)
    assert merges == WEEKS
    assert late > 100
    assert pairs > 0


@pytest.fixture
def last_two():
    *_, before, now = weeks(hand_made())
    return before, now


def test_the_rest_of_an_order_that_comes_late_makes_its_pairs_once():
    day, old, new = np.datetime64("2026-02-01"), np.datetime64("2026-02-09", "us"), np.datetime64("2026-02-16", "us")
    base = {"owns": {"ann": ["2010|a|b"]}, "fits": {"p1": ["2010|a|b"], "p2": ["2010|a|b"], "p3": ["2010|a|b"]}}
    part = [("ann", "p1", "order", day, "o1"), ("ann", "p2", "order", day, "o1")]
    before = rebuild(make_tables(**base, events=part)["events"], old, "f")
    whole = make_tables(**base, events=[*part, ("ann", "p3", "order", day, "o1"), ("ann", "p1", "order", day, "o1")])
    found = refresh(before, whole["events"], new, "f")
    assert (found.how, found.new, found.late) == (MERGED, 0, 2)
    assert found.facts.joint.to_numpy().tolist() == [["p1", "p2", 1], ["p1", "p3", 1], ["p2", "p3", 1]]


def test_facts_are_the_snapshots_own_events(last_two):
    _, (as_of, week) = last_two
    snapshot = build_snapshot(week, as_of)
    events = coded(rebuild(week["events"], as_of, "f"), snapshot)
    for name, values in vars(snapshot.events).items():
        assert np.array_equal(values, getattr(events, name)), name


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"fingerprint": "g"}, "made with other settings", id="other settings"),
        pytest.param({"as_of": END}, "which is not earlier", id="not earlier"),
        pytest.param(None, "no earlier facts", id="none"),
    ],
)
def test_what_cannot_be_merged_is_rebuilt_and_says_why(last_two, change, why):
    (before, week_before), (as_of, week) = last_two
    previous = None if change is None else dataclasses.replace(rebuild(week_before["events"], before, "f"), **change)
    found = refresh(previous, week["events"], as_of, "f")
    assert found.how == REBUILT
    assert why in found.why
    assert same(found.facts, rebuild(week["events"], as_of, "f"))


def test_rows_that_are_gone_are_not_kept_for_ever(last_two):
    (before, week_before), (as_of, week) = last_two
    orders = week_before["events"]["event_type"] == "order"
    gone = week["events"].drop(week_before["events"].index[orders][:5])
    found = refresh(rebuild(week_before["events"], before, "f"), gone, as_of, "f")
    assert (found.how, found.vanished) == (MERGED, 5)
    assert found.why.endswith(", 5 gone")
    assert same(found.facts, rebuild(gone, as_of, "f"))


def test_a_caller_may_ask_for_a_rebuild(last_two):
    (before, week_before), (as_of, week) = last_two
    previous = rebuild(week_before["events"], before, "f")
    found = refresh(previous, week["events"], as_of, "f", rebuild_because="a month begins")
    assert (found.how, found.why) == (REBUILT, "a month begins")


def test_a_merge_counts_again_only_the_baskets_that_a_new_row_touches(last_two, monkeypatch):
    (before, week_before), (as_of, week) = last_two
    previous = rebuild(week_before["events"], before, "f")
    counted, true = [], module._count
    monkeypatch.setattr(
        module, "_count", lambda baskets: counted.append(baskets["order_id"].nunique()) or true(baskets)
    )
    refresh(previous, week["events"], as_of, "f")
    assert 0 < max(counted) < 40
    assert previous.rows["order_id"].nunique() > 300


def test_a_merge_compares_row_by_row_only_the_days_that_changed(last_two, monkeypatch):
    (before, week_before), (as_of, week) = last_two
    previous = rebuild(week_before["events"], before, "f")
    compared, true = [], module._counted
    monkeypatch.setattr(module, "_counted", lambda rows: compared.append(len(rows)) or true(rows))
    found = refresh(previous, week["events"], as_of, "f")
    changed = week["events"].drop(week_before["events"].index)["event_ts"].dt.date.unique()
    assert found.days == len(changed)
    assert sum(compared) == week["events"]["event_ts"].dt.date.isin(changed).sum() < len(week["events"]) / 5


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"quantity": 9}, id="another quantity"),
        pytest.param({"order_id": "o-other"}, id="another order"),
        pytest.param({"product_id": "p03"}, id="another product"),
        pytest.param({"event_ts": pd.Timestamp("2026-01-01", tz="UTC")}, id="another day"),
    ],
)
def test_a_row_that_is_corrected_in_place_is_corrected_in_the_facts(last_two, change):
    (before, week_before), (as_of, week) = last_two
    events = week["events"].copy()
    (column, value), *_ = change.items()
    first = week_before["events"].index[week_before["events"]["event_type"] == "order"][0]
    events.loc[first, column] = value
    found = refresh(rebuild(week_before["events"], before, "f"), events, as_of, "f")
    assert (found.how, found.vanished) == (MERGED, 1)
    assert same(found.facts, rebuild(events, as_of, "f"))


def test_a_snapshot_of_facts_is_refused_at_another_moment(last_two):
    (before, week_before), (as_of, week) = last_two
    with pytest.raises(LeakageError, match="the snapshot is as of"):
        with_facts(rebuild(week_before["events"], before, "f"), build_snapshot(week, as_of))


def test_the_future_is_refused(last_two):
    (before, _), (_, week) = last_two
    with pytest.raises(LeakageError, match="at or after"):
        rebuild(week["events"], before, "f")
    _, (as_of, tables) = last_two
    facts = rebuild(tables["events"], as_of, "f")
    with pytest.raises(LeakageError, match="the snapshot is as of"):
        facts_graph(facts, build_snapshot(tables, as_of + DAY), SETTINGS)


def test_a_store_without_events_has_empty_facts():
    empty = CONTRACTS["events"].schema.empty_table().to_pandas()
    facts = rebuild(empty, END, "f")
    assert (len(facts.rows), len(facts.joint)) == (0, 0)
    _, first = next(iter(weeks(hand_made())))
    assert refresh(facts, first["events"], END + DAY, "f").how == MERGED
