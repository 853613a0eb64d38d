"""Input drift: a steady week is steady, a moved one is named, a small one says that it cannot tell."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from gnn_core.monitoring.drift import psi_by_chance
from gnn_core.monitoring.inputs import ALARM, MOVED, STEADY, UNKNOWN, Holdings, input_drift
from tests.core.builders import AS_OF, make_snapshot, make_tables
from tests.core.experiment.experiment_world import ALL

LIMITS = dataclasses.replace(ALL.monitoring, reference_weeks=4)
START = np.datetime64("2026-01-05", "us")
CAR, TRUCK = "1969|chevrolet|camaro", "2015|ford|f150"


def _store(kind_of, users=600, weeks=5):
    """Every user has one event a week; `kind_of(user, weeks ago)` says which kind."""
    owns = {f"u{i:04d}": [CAR if i % 2 else TRUCK] for i in range(users)}
    events = [
        (u, f"p{i % 4}", kind_of(i, ago), pd.Timestamp("2026-05-31") - pd.Timedelta(days=7 * ago + i % 6))
        for ago in range(weeks)
        for i, u in enumerate(owns)
    ]
    return make_snapshot(
        owns=owns, fits={f"p{i}": [CAR, TRUCK] for i in range(4)}, events=events,
        products={f"p{i}": {"price": 100.0 * (i + 1)} for i in range(4)},
    )  # fmt: skip


def _by_name(found):
    return {i.name: i for i in found.inputs}


def _views(user, ago):
    return "view" if user % 3 else "cart"


def test_a_week_like_the_weeks_before_is_steady():
    found = input_drift(_store(_views), START, LIMITS)
    assert found.weeks == 4
    assert {i.state for i in found.inputs} == {STEADY}
    assert found.as_json()["worst"]["state"] == STEADY


@pytest.mark.parametrize(("carts", "state"), [(50, MOVED), (75, ALARM)])
def test_a_week_of_other_events_is_named(carts, state):
    def kinds(user, ago):
        # A third of the events are carts in the weeks before.
        return ("cart" if user % 100 < carts else "view") if ago == 0 else _views(user, ago)

    found = input_drift(_store(kinds), START, LIMITS)
    assert found.worst.name == "kinds of events"
    assert found.worst.state == state
    assert f"above {LIMITS.psi_alarm if state == ALARM else LIMITS.psi_warn:g}" in found.worst.sentence


def test_an_alarm_must_be_more_than_chance_and_few_users_cannot_tell():
    def kinds(user, ago):
        return "order" if ago == 0 else "view"

    few = _by_name(input_drift(_store(kinds, users=12), START, LIMITS))
    assert few["kinds of events"].state == ALARM  # every single event turned: even twelve users show that
    assert few["prices of events"].state == UNKNOWN
    assert "do not show a change of 0.25" in few["prices of events"].sentence


def test_a_change_above_the_alarm_that_chance_may_give_is_no_alarm():
    def kinds(user, ago):
        return ("cart" if user % 3 < 2 else "view") if ago == 0 else _views(user, ago)

    found = _by_name(input_drift(_store(kinds, users=24), START, LIMITS))["kinds of events"]
    assert LIMITS.psi_alarm < found.psi < found.by_chance
    assert found.state == UNKNOWN


def test_a_week_without_events_is_no_data_and_not_steady():
    quiet = _store(_views)
    later = quiet.before(AS_OF - np.timedelta64(7, "D"))
    silent = dataclasses.replace(later, as_of=AS_OF)
    found = input_drift(silent, START, LIMITS)
    assert {i.state for i in found.inputs} == {UNKNOWN}
    assert found.worst is None
    assert "the week has none" in found.inputs[0].sentence


def test_the_reference_stays_within_the_event_stream():
    assert input_drift(_store(_views), AS_OF - np.timedelta64(15, "D"), LIMITS).weeks == 1
    assert input_drift(_store(_views), AS_OF, LIMITS).inputs == ()


def _holdings(prices, owner=CAR):
    frames = make_tables(
        owns={f"u{i}": [owner] for i in range(500)}, fits={f"p{i:03d}": [CAR, TRUCK] for i in range(len(prices))},
        products={f"p{i:03d}": {"price": p} for i, p in enumerate(prices)},
    )  # fmt: skip
    return Holdings.of(frames, ALL.eligibility)


def test_catalogue_and_ownership_are_compared_with_last_weeks():
    prices = np.linspace(60, 900, 400)
    same = (_holdings(prices), _holdings(prices))
    found = _by_name(input_drift(_store(_views), START, LIMITS, holdings=same))
    assert found["prices of eligible products"].state == STEADY
    cents = (_holdings(prices), _holdings(prices * 100, TRUCK))
    found = _by_name(input_drift(_store(_views), START, LIMITS, holdings=cents))
    assert found["prices of eligible products"].state == ALARM
    assert found["makes that users own"].state == ALARM
    assert found["part types of eligible products"].state == STEADY


def test_products_that_may_not_be_recommended_are_no_part_of_the_catalogue():
    assert _holdings([10.0, 60.0, 70.0]).prices_P.tolist() == [60.0, 70.0]


def test_chance_is_what_two_samples_of_one_population_give():
    # Of 400 pairs of samples about one in ten may exceed the bound that holds with nine in ten.
    rng = np.random.default_rng(0)
    bound = psi_by_chance(300, 200, 4, 0.9)
    above = 0
    for _ in range(400):
        p, q = (np.bincount(rng.integers(0, 4, n), minlength=4) / n for n in (300, 200))
        above += ((q - p) * np.log(q / p)).sum() > bound
    assert 20 <= above <= 60
    assert psi_by_chance(5, 5, 1, 0.9) == 0.0
