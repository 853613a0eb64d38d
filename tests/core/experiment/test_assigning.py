"""An experiment is assigned once: late data change who there is, never who was assigned, nor the plan."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest

from gnn_assets.assets.experiment import first_plan
from gnn_core.errors import ContractError
from gnn_core.experiment.assigning import NO_LIST, Kept, keep_assignments, read_assignments
from gnn_core.experiment.assignment import assignment_rows
from gnn_core.experiment.power import plan_experiment
from gnn_core.io.artifacts import ArtifactStore, json_bytes
from gnn_core.io.duckdb import DuckDbWarehouse
from tests.core.publishing.world import make_settings

START = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
SETTINGS = make_settings(experiment={"start": "2026-06-01"})
IDS = [f"u{n:02d}" for n in range(60)]


def rows(ids, without=(), settings=SETTINGS, start=START):
    users = np.array(ids, dtype=object)
    return assignment_rows(
        users,
        why_not_U=np.array([NO_LIST if u in without else None for u in ids], dtype=object),
        tier_U=np.array(["cold"] * len(ids), dtype=object),
        consent_U=np.ones(len(ids), dtype=bool),
        settings=settings.experiment,
        assigned_at=start,
        run_id="r1",
    )


@pytest.fixture
def warehouse():
    """Holds the assignment of IDS."""
    made = DuckDbWarehouse(":memory:", SETTINGS.warehouse)
    assert keep_assignments(made, SETTINGS, rows(IDS)).added
    return made


def test_the_same_users_again_change_nothing(warehouse):
    kept = keep_assignments(warehouse, SETTINGS, rows(IDS))
    assert (kept.added, kept.new, kept.gone, kept.differ) == (False, 0, 0, 0)
    assert kept.sentence == "Assigned already: the assignment of 2026-06-01 stays."


def test_late_users_are_told_and_the_recorded_assignment_stays(warehouse):
    before = read_assignments(warehouse, SETTINGS)
    kept = keep_assignments(warehouse, SETTINGS, rows([*IDS[1:], "late", "later"], without=("u05", "late")))
    assert (kept.added, kept.new, kept.gone, kept.differ) == (False, 2, 1, 1)
    assert kept.sentence == (
        "2 users are new, 1 are gone, and 1 differ in eligibility since; the assignment of 2026-06-01 stays."
    )
    after = read_assignments(warehouse, SETTINGS)
    assert after.equals(before)
    assert kept.rows.equals(before)


@pytest.mark.parametrize("change", [{"salt": "other"}, {"treatment_share": 0.2}, {"holdout_share": 0.4}])
def test_an_arm_that_moved_is_refused_and_the_setting_is_named(warehouse, change):
    other = make_settings(experiment={"start": "2026-06-01", **change})
    with pytest.raises(ContractError, match=r"in another arm than was recorded: experiment\.salt, .* Set it back"):
        keep_assignments(warehouse, other, rows(IDS, settings=other))


def test_the_same_name_does_not_start_twice(warehouse):
    with pytest.raises(ContractError, match=r"assigned for 2026-06-01 and cannot start again on 2026-06-15"):
        keep_assignments(warehouse, SETTINGS, rows(IDS, start=START + dt.timedelta(days=14)))


def test_the_first_runs_plan_stays(tmp_path):
    store = ArtifactStore(tmp_path, SETTINGS)
    first = plan_experiment(0.0066, 14, 1000, 1000, SETTINGS.experiment)
    state = {"state": "assigned", "promoted": True, "policy": "hybrid"}
    files = {"state.json": json_bytes(state), "plan.json": json_bytes(first.as_json())}
    store.write("2026-05-25", "treatment_assignments", files, sections=("experiment",))
    week = SimpleNamespace(store=store, key="2026-05-25", settings=SETTINGS)
    assert first_plan(week, Kept(rows(IDS).to_pandas(), added=False)) == (state, first)
