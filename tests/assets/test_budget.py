"""At the stop factor of the budget training waits for a person; nothing else does."""

import datetime as dt

import dagster as dg
import pytest

from gnn_assets.budget import refuse_over_budget
from gnn_assets.resources import Platform
from gnn_core.errors import ConfigError
from gnn_core.io.artifacts import json_bytes
from tests.fixtures.installation import Installation

TODAY = dt.date(2026, 3, 9)


@pytest.fixture
def store(tmp_path):
    return Installation.create(tmp_path / "store")


def _spent(store, week, month, usd, state):
    content = {"month": month, "usd": usd, "state": state, "sentence": f"{usd} USD in {month}."}
    artifacts = store.environment.artifacts(store.settings)
    artifacts.write(week, "cost_ledger", {"month.json": json_bytes(content)})


def _ask(store):
    refuse_over_budget(Platform.of(store.environment).week("2026-03-02"), TODAY)


def test_training_goes_on_while_nothing_is_known_or_the_month_is_only_over_its_budget(store):
    _ask(store)
    _spent(store, "2026-02-23", "2026-03", 900.0, "over budget")
    _ask(store)


def test_training_waits_at_the_stop_factor_and_says_how_to_go_on(store):
    _spent(store, "2026-02-23", "2026-03", 1700.0, "no further training")
    with pytest.raises(dg.Failure, match=r"1700\.0 USD in 2026-03") as refused:
        _ask(store)
    assert "cost.decided_month to 2026-03" in str(refused.value)
    assert not refused.value.allow_retries


def test_last_months_spend_and_a_decision_let_it_go_on(store):
    _spent(store, "2026-02-23", "2026-02", 1700.0, "no further training")
    _ask(store)
    _spent(store, "2026-03-02", "2026-03", 1700.0, "no further training")
    store.overlay({"cost": {"decided_month": "2026-03"}})
    _ask(store)
    store.overlay({"cost": {"decided_month": "2026-02"}})
    with pytest.raises(dg.Failure):
        _ask(store)


def test_a_decision_names_a_month(store):
    store.overlay({"cost": {"decided_month": "yes"}})
    with pytest.raises(ConfigError, match="write a month as 2026-03"):
        assert store.settings
