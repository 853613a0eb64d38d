"""Which runs the cost ledger charges: failed ones too, each once, and none that is not the platform's."""

import datetime as dt

import dagster as dg
import pytest

from gnn_assets.assets.cost import KIND_TAG, uncharged_runs
from gnn_assets.resources import job_labels

NOW = dt.datetime.now(dt.UTC)


@dg.asset
def works(context: dg.AssetExecutionContext) -> None:
    """Labels are asked for where a context has a step."""
    assert job_labels(context) == {"dagster_run": context.run.run_id, "dagster_step": "works"}


@dg.asset(deps=[works])
def breaks() -> None:
    """Fails after `works` has cost something."""
    raise RuntimeError("no")


def _run(instance, *names, tags=None):
    assets = [a for a in (works, breaks) if a.key.to_user_string() in names]
    job = dg.Definitions(assets=assets, jobs=[dg.define_asset_job("j", tags=tags)]).resolve_job_def("j")
    return job.execute_in_process(instance=instance, raise_on_error=False).run_id


@pytest.fixture
def runs():
    ours = {KIND_TAG: "weekly"}
    with dg.DagsterInstance.ephemeral() as instance:
        failed = _run(instance, "works", "breaks", tags=ours)
        charged, foreign = _run(instance, "works", tags=ours), _run(instance, "works")
        present = _run(instance, "works", tags=ours)
        found = uncharged_runs(instance, present, {charged}, NOW + dt.timedelta(minutes=5))
        late = uncharged_runs(instance, present, set(), NOW + dt.timedelta(days=60))
    return {"failed": failed, "charged": charged, "foreign": foreign, "present": present}, found, late


def test_a_failed_run_is_charged_and_the_present_one_comes_last(runs):
    names, found, _ = runs
    assert [r.run_id for r in found] == [names["failed"], names["present"]]
    assert set(found[0].seconds) == {"works", "breaks"}
    assert all(seconds >= 0 for seconds in found[0].seconds.values())
    assert found[0].ended >= found[0].started


def test_runs_of_long_ago_are_left_alone(runs):
    names, _, late = runs
    assert [r.run_id for r in late] == [names["present"]]
