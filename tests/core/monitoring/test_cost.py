"""Cost: prices by hand, months, the budget's three states, and a ledger that charges a step once."""

import dataclasses
import datetime as dt

import pytest

from gnn_core.errors import DataError
from gnn_core.monitoring.cost import (
    CPU,
    GPU,
    QUERY,
    STORAGE,
    append_charges,
    charge,
    month_cost,
    months,
    read_charges,
    step_charges,
    storage_charges,
)
from tests.core.experiment.experiment_world import ALL

PRICES = ALL.cost
AT = dt.datetime(2026, 3, 2, 5, tzinfo=dt.UTC)


def _charge(kind, quantity, *, asset="sql_scores", at=AT, run_id="r1"):
    return charge(kind, quantity, asset=asset, at=at, run_id=run_id, settings=PRICES)


@pytest.mark.parametrize(
    ("kind", "quantity", "usd"),
    [(QUERY, 2**40, 6.25), (CPU, 3600, 0.2), (GPU, 1800, 0.3), (STORAGE, 30 * 2**30, 0.02)],
)
def test_prices(kind, quantity, usd):
    assert _charge(kind, quantity).usd == pytest.approx(usd)


@pytest.mark.parametrize(
    ("usd", "state", "trains"),
    [
        (799.99, "within budget", True),
        (800.0, "over budget", True),
        (1599.99, "over budget", True),
        (1600.0, "no further training", False),
    ],
)
def test_a_month_against_its_budget(usd, state, trains):
    spent = dataclasses.replace(_charge(CPU, 1), usd=usd)
    other = dataclasses.replace(spent, at=dt.datetime(2026, 2, 28, tzinfo=dt.UTC), usd=9e9)
    found = month_cost([spent, other], "2026-03", PRICES)
    assert (found.state, found.may_train) == (state, trains)
    assert found.usd == usd


def test_a_decision_lets_training_go_on_and_is_said():
    found = month_cost([dataclasses.replace(_charge(CPU, 1), usd=2000.0)], "2026-03", PRICES, decided=True)
    assert found.may_train
    assert "decided to go on" in found.sentence


def test_a_month_is_utc_and_an_empty_one_is_free():
    late = _charge(CPU, 3600, at=dt.datetime(2026, 4, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))))
    assert month_cost([late], "2026-03", PRICES).usd == pytest.approx(0.2)
    assert month_cost([late], "2026-04", PRICES).usd == 0.0


def test_sums_by_asset_and_kind_are_the_total():
    charges = [_charge(CPU, 3600), _charge(QUERY, 2**40), _charge(CPU, 7200, asset="gnn_checkpoint")]
    found = month_cost(charges, "2026-03", PRICES)
    assert list(found.by_asset) == ["sql_scores", "gnn_checkpoint"]
    assert sum(found.by_asset.values()) == pytest.approx(sum(found.by_kind.values())) == pytest.approx(found.usd)


@pytest.mark.parametrize(
    ("kind", "quantity", "at", "words"),
    [
        ("magic", 1, AT, "'magic' has no price"),
        (CPU, -1, AT, "is no quantity"),
        (CPU, float("nan"), AT, "is no quantity"),
        (CPU, 1, AT.replace(tzinfo=None), "no time zone"),
    ],
)
def test_what_cannot_be_charged_is_refused(kind, quantity, at, words):
    with pytest.raises(DataError, match=words):
        _charge(kind, quantity, at=at)


def test_a_step_that_is_repeated_is_charged_once(any_warehouse, dataset):
    settings = dataclasses.replace(ALL, warehouse=dataclasses.replace(ALL.warehouse, serving_dataset=dataset))
    first, second = _charge(CPU, 60), _charge(CPU, 90, run_id="r2")
    assert append_charges(any_warehouse, settings, [first]) == 1
    assert append_charges(any_warehouse, settings, [first, second]) == 1
    assert append_charges(any_warehouse, settings, []) == 0
    assert read_charges(any_warehouse, settings) == [first, second]


def test_storage_is_charged_for_the_time_between_two_readings():
    stored = {"embeddings": 10 * 2**30}
    first = storage_charges(stored, [], at=AT, run_id="r1", settings=PRICES)
    assert [(c.asset, c.kind, c.quantity) for c in first] == [("embeddings", STORAGE, 0.0)]
    week = AT + dt.timedelta(days=6)
    (second,) = storage_charges(stored, [*first, _charge(CPU, 9, at=week)], at=week, run_id="r2", settings=PRICES)
    assert second.quantity == 6 * 10 * 2**30
    assert second.usd == pytest.approx(0.02 * 10 * 6 / 30)
    (late,) = storage_charges(stored, first, at=AT + dt.timedelta(days=400), run_id="r3", settings=PRICES)
    assert late.quantity == 30 * 10 * 2**30


def _steps(seconds, on_gpu):
    return step_charges(seconds, on_gpu, at=AT, run_id="r", settings=PRICES)


def test_a_gpu_is_charged_where_it_was_used_alone():
    spent = {"gnn_checkpoint": 3600.0, "sql_scores": 3600.0}
    found = {
        c.asset: (c.kind, c.usd) for c in step_charges(spent, {"gnn_checkpoint"}, at=AT, run_id="r", settings=PRICES)
    }
    assert found == {"gnn_checkpoint": (GPU, 0.6), "sql_scores": (CPU, 0.2)}
    assert {c.kind for c in _steps(spent, set())} == {CPU}


def test_months_are_summed_oldest_first():
    old = _charge(CPU, 3600, at=dt.datetime(2026, 1, 31, 23, tzinfo=dt.UTC))
    found = months([_charge(CPU, 3600), old, _charge(QUERY, 2**40)])
    assert list(found) == ["2026-01", "2026-03"]
    assert found["2026-03"] == pytest.approx(6.45)
