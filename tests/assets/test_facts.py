"""Facts in the store of artifacts: merged from week to week, made anew when a month begins or settings change; and what
is fitted or scored reads its events from them."""

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from gnn_assets.assets import facts as module
from gnn_assets.assets.facts import facts_of
from gnn_assets.definitions import build_defs
from gnn_assets.interactions import as_files
from gnn_assets.resources import FACT_SECTIONS, Platform
from gnn_core.contracts import CONTRACTS
from gnn_core.errors import ArtifactError, ContractError
from gnn_core.graph.refresh import rebuild
from gnn_core.io.artifacts import parquet_bytes
from gnn_core.snapshot import build_snapshot
from tests.core.builders import make_tables
from tests.fixtures.installation import Installation

pytestmark = pytest.mark.slow

WEEKS = ("2026-02-16", "2026-02-23", "2026-03-02", "2026-03-09")
STORE = {"owns": {"ann": ["2010|a|b"]}, "fits": {f"p{i}": ["2010|a|b"] for i in range(5)}}
EVENTS = [("ann", f"p{i}", "order", f"2026-02-{17 + 7 * (i // 2):02d}", f"o{i // 2}") for i in range(4)]


LATE = ("ann", "p4", "order", "2026-02-10", "o0")


def snapshot_tables(made, week, events):
    """Write the raw tables of a week, as its staging does."""
    tables, artifacts = make_tables(**STORE, events=events), made.environment.artifacts(made.settings)
    for name, contract in CONTRACTS.items():
        content = parquet_bytes(pa.Table.from_pandas(tables[name], schema=contract.schema, preserve_index=False))
        artifacts.write(week, f"raw_{name}", {f"{name}.parquet": content}, sections=FACT_SECTIONS)


@pytest.fixture
def store(tmp_path):
    """Four weeks of raw tables: two orders, and a line of the first that arrives in the second week."""
    made = Installation.create(tmp_path / "store")
    for number, week in enumerate(WEEKS):
        snapshot_tables(made, week, EVENTS[: 2 * (number + 1)] + ([LATE] if number else []))
    return made


def week_of(store, week):
    return Platform.of(store.environment).week(week)


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


def test_what_is_fitted_and_scored_reads_its_events_from_the_facts_merged_or_rebuilt(store):
    for key in WEEKS:
        run(store, key)
        week = week_of(store, key)
        seen, own = week.snapshot(), build_snapshot(week.frames(), np.datetime64(key, "us") + np.timedelta64(7, "D"))
        assert len(seen.events) == len(own.events) > 1
        for name, values in vars(own.events).items():
            assert np.array_equal(values, getattr(seen.events, name)), (key, name)


def test_the_events_are_those_of_the_facts_and_of_nothing_else(store):
    run(store, WEEKS[1])
    week = week_of(store, WEEKS[1])
    facts = rebuild(week.frames("events")["events"].head(2), np.datetime64("2026-03-02", "us"), "f")
    week.write("interaction_facts", as_files(facts), sections=FACT_SECTIONS)
    assert len(week.snapshot().events) == 2


def test_merged_facts_have_the_version_of_rebuilt_ones(store):
    for key in WEEKS[:2]:
        run(store, key)
    merged = week_of(store, WEEKS[1]).read("interaction_facts")
    assert merged.manifest.meta["how"] == "merged"
    (store.environment.state_dir / "artifacts" / WEEKS[0] / "interaction_facts" / "current.json").unlink()
    assert run(store, WEEKS[1])[0] == f"rebuilt: {WEEKS[0]} has no facts"
    assert week_of(store, WEEKS[1]).read("interaction_facts").version == merged.version


def test_a_past_week_made_again_with_late_rows_is_right_and_leaves_the_later_one_alone(store):
    for key in WEEKS[:2]:
        run(store, key)
    later = week_of(store, WEEKS[1]).read("interaction_facts").version
    snapshot_tables(store, WEEKS[0], [*EVENTS[:2], LATE])
    assert run(store, WEEKS[0])[0] == "rebuilt: 2026-02-09 has no facts"
    assert len(week_of(store, WEEKS[0]).snapshot().events) == 3
    assert run(store, WEEKS[1])[0].startswith("merged: 2 new and 0 late rows")
    assert week_of(store, WEEKS[1]).read("interaction_facts").version == later


def test_without_facts_or_with_those_of_other_tables_nothing_is_fitted(store):
    with pytest.raises(ArtifactError, match=f"{WEEKS[1]}/interaction_facts does not exist"):
        week_of(store, WEEKS[1]).snapshot()
    run(store, WEEKS[1])
    snapshot_tables(store, WEEKS[1], EVENTS)
    with pytest.raises(ArtifactError, match=f"interaction_facts was made from {WEEKS[1]}/raw_events"):
        week_of(store, WEEKS[1]).snapshot()


def test_facts_that_hold_another_number_of_events_are_refused(store, monkeypatch):
    true = module.refresh

    def loses_one(*arguments, **options):
        made = true(*arguments, **options)
        made.facts.rows.drop(made.facts.rows.index[0], inplace=True)
        return made

    monkeypatch.setattr(module, "refresh", loses_one)
    with pytest.raises(ContractError, match="the facts hold 4 events, raw_events 5"):
        facts_of(week_of(store, WEEKS[1]))


def test_a_store_without_events_keeps_and_reads_empty_facts(tmp_path):
    made = Installation.create(tmp_path / "store")
    for key in WEEKS[:2]:
        snapshot_tables(made, key, [])
        run(made, key)
        assert len(week_of(made, key).snapshot().events) == 0
