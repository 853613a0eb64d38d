"""Facts in the store of artifacts: merged from week to week, made anew when a month begins or settings change."""

import dagster as dg
import pyarrow as pa
import pytest

from gnn_assets.assets import facts as module
from gnn_assets.assets.facts import facts_of
from gnn_assets.definitions import build_defs
from gnn_assets.resources import Platform
from gnn_core.contracts import CONTRACTS
from gnn_core.io.artifacts import parquet_bytes
from tests.core.builders import make_tables
from tests.fixtures.installation import Installation

WEEKS = ("2026-02-16", "2026-02-23", "2026-03-02", "2026-03-09")
STORE = {"owns": {"ann": ["2010|a|b"]}, "fits": {f"p{i}": ["2010|a|b"] for i in range(5)}}
EVENTS = [("ann", f"p{i}", "order", f"2026-02-{17 + 7 * (i // 2):02d}", f"o{i // 2}") for i in range(4)]


@pytest.fixture
def store(tmp_path):
    """Four weeks of raw tables: two orders, and a line of the first that arrives in the second week."""
    made = Installation.create(tmp_path / "store")
    artifacts = made.environment.artifacts(made.settings)
    late = ("ann", "p4", "order", "2026-02-10", "o0")
    for number, week in enumerate(WEEKS):
        seen = EVENTS[: 2 * (number + 1)] + ([late] if number else [])
        tables = make_tables(**STORE, events=seen)
        for name, contract in CONTRACTS.items():
            content = parquet_bytes(pa.Table.from_pandas(tables[name], schema=contract.schema, preserve_index=False))
            artifacts.write(week, f"raw_{name}", {f"{name}.parquet": content}, sections=module.SECTIONS)
    return made


def run(store, week):
    """What the asset says of a week, and its check."""
    job = dg.define_asset_job("facts", selection=dg.AssetSelection.assets("interaction_facts"))
    definitions = dg.Definitions.merge(build_defs(store.environment), dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("facts").execute_in_process(partition_key=week)
    (made,) = result.asset_materializations_for_node("interaction_facts")
    (check,) = result.get_asset_check_evaluations()
    return made.metadata["how"].value, check


def test_weeks_merge_and_a_month_begins_anew_and_agrees(store):
    said = {week: run(store, week) for week in WEEKS}
    assert said[WEEKS[0]][0] == "rebuilt: 2026-02-09 has no facts"
    assert said[WEEKS[1]][0].startswith("merged: 2 new and 1 late rows since")
    assert said[WEEKS[2]][0] == f"rebuilt: {module.FIRST_WEEK}"
    assert said[WEEKS[3]][0].startswith("merged: 0 new and 0 late rows")
    assert [said[week][1].metadata["compared"].value for week in WEEKS] == [False, False, True, False]
    assert all(check.passed for _, check in said.values())


def test_a_merge_that_has_gone_wrong_is_seen_when_the_month_begins(store, monkeypatch):
    for week in WEEKS[:2]:
        run(store, week)
    true = module.last_weeks

    def damaged(week):
        facts, why = true(week)
        facts.joint["orders"] += 1
        return facts, why

    monkeypatch.setattr(module, "last_weeks", damaged)
    _, check = run(store, WEEKS[2])
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_other_settings_make_facts_anew_and_say_so(store):
    run(store, WEEKS[0])
    store.overlay({"eligibility": {"min_price_usd": 60.0}})
    week = Platform.of(store.environment).week(WEEKS[1])
    old = Installation(store.root)
    old.overlay({})
    previous, why = module.last_weeks(week)
    assert previous is None
    assert "was made with other settings in section(s) eligibility, sources, store" in why
    assert facts_of(Platform.of(old.environment).week(WEEKS[1]))[0].how == "merged"
