"""What stands between staged lists and the live table beside their own audit: the rollout as it is now, and time."""

from dataclasses import replace

import dagster as dg
import pytest

from gnn_assets.assets.serving import publish_staged
from gnn_assets.definitions import build_defs
from gnn_core.errors import PublishRefused
from gnn_core.experiment.rollout import ROLLBACK, STEP
from gnn_core.io.artifacts import json_bytes
from gnn_core.publishing import moves, publisher
from gnn_core.publishing.shares import live_share, share_note
from gnn_core.publishing.state import read_ledger
from tests.assets.rollout_world import interrupted, move, plan_experiment, stage, started
from tests.core.publishing.world import AT
from tests.fixtures.ten_users import TEN_USERS


@pytest.mark.parametrize(
    ("action", "share", "says"),
    [(ROLLBACK, 0.0, "under 25%, and the rollout now stands at 0% (move 2, rollback by Ada)"),
     (STEP, 0.5, "under 25%, and the rollout now stands at 50% (move 2, step by Ada)")],
)  # fmt: skip
def test_lists_of_a_share_that_was_left_meanwhile_do_not_go_live(ten_users, action, share, says):
    started(ten_users)
    week = stage(ten_users, 0.25)
    move(ten_users, 2, "2026-06-01T05:00", action, 0.25, share)
    before = ten_users.live
    with pytest.raises(PublishRefused) as refused:
        publish_staged(week, AT)
    assert says in str(refused.value)
    assert "Run the job `republish` for the week of 2026-05-25" in str(refused.value)
    assert ten_users.live == before
    assert not week.store.exists(TEN_USERS, "recommendations")


@pytest.mark.slow
def test_a_rollback_while_the_publisher_audits_is_not_published_over(ten_users, monkeypatch):
    started(ten_users)
    week = stage(ten_users, 0.25)
    before = ten_users.live

    def keep_version(*args):
        move(ten_users, 2, "2026-06-01T05:00", ROLLBACK, 0.25, 0.0)
        return moves.keep_version(*args)

    with monkeypatch.context() as patch:
        patch.setattr(publisher, "keep_version", keep_version)
        with pytest.raises(PublishRefused, match="under 25%, and the rollout now stands at 0%"):
            publish_staged(week, AT)
    assert ten_users.live == before
    assert not week.store.exists(TEN_USERS, "recommendations")
    # Nothing of the attempt is in the way of the table that follows the rollback.
    assert publish_staged(stage(ten_users, 0.0, "r3"), AT).dropped == ("serving.recommendations__v_r2",)


@pytest.mark.slow
def test_a_rollout_that_started_after_the_lists_were_staged_is_not_published_over(ten_users):
    week = stage(ten_users, None)
    started(ten_users)
    with pytest.raises(PublishRefused, match="made under no share of the rollout, and the rollout now stands at 25%"):
        publish_staged(week, AT)


@pytest.mark.slow
def test_lists_of_the_present_share_go_live_and_the_ledger_says_which(ten_users):
    started(ten_users)
    week = stage(ten_users, 0.25)
    assert publish_staged(week, AT).state.run_id == "r2"
    live = live_share(read_ledger(ten_users.warehouse, ten_users.settings))
    assert (live.run_id, live.share, live.since) == ("r2", 0.25, AT)
    published = week.store.read(TEN_USERS, "recommendations").json("published.json")
    assert (published["run_id"], published["ledger_share"]) == ("r2", 0.25)


@pytest.mark.slow
def test_while_an_experiment_runs_its_lists_go_live_whatever_the_rollout_says(ten_users):
    started(ten_users)
    plan_experiment(ten_users, "2026-06-01")
    week = stage(ten_users, None, experiment="second")
    assert publish_staged(week, AT).state.run_id == "r2"


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.25, 1 / 3, 0.0, 1.0])
def test_a_share_is_read_back_as_it_was_written(ten_users, share):
    started(ten_users, share=share)
    publish_staged(stage(ten_users, share), AT)
    assert live_share(read_ledger(ten_users.warehouse, ten_users.settings)).share == share
    assert share_note(None) == ""


# Back in time -------------------------------------------------------------------------------------------------------

OLD = "2026-05-18"


def _published_later(store):
    """The ten users' week is published; the week before it was made again, by the same good lists."""
    assert publish_staged(stage(store, None), AT).state.run_id == "r2"
    return stage(store, None, "old_again", OLD)


@pytest.mark.slow
def test_an_old_week_does_not_go_live_over_a_later_one_unless_a_person_says_so(ten_users):
    week = _published_later(ten_users)
    before = ten_users.live
    said = ten_users.gnn("publish", "--week", OLD, code=1)
    assert f"week {TEN_USERS} was published already" in said
    assert f"`gnn publish --week {OLD} --back-in-time`" in said
    assert "`gnn rollback`" in said
    assert ten_users.live == before
    # Its own tables are those of the week that is live: only the week's name is old.
    week = replace(week, tables=week.at(TEN_USERS).tables)
    assert publish_staged(week, AT, back_in_time=True).state.run_id == "old_again"


@pytest.mark.slow
def test_an_old_week_does_not_go_live_over_a_later_one_whose_publish_was_interrupted(ten_users, monkeypatch):
    week = interrupted(ten_users, None, monkeypatch)
    with pytest.raises(PublishRefused, match=f"week {TEN_USERS} was published already"):
        publish_staged(stage(ten_users, None, "old_again", OLD), AT)
    assert ten_users.live.run_id == "r2"
    assert week.store.exists(TEN_USERS, "recommendations")


@pytest.mark.slow
def test_back_in_time_does_not_lead_around_the_rollout(ten_users):
    week = _published_later(ten_users)
    started(ten_users)
    with pytest.raises(PublishRefused, match="the rollout now stands at 25%"):
        publish_staged(week, AT, back_in_time=True)


@pytest.mark.slow
def test_the_vectors_of_an_old_week_stand_aside_like_its_table(ten_users):
    week = _published_later(ten_users)
    decision = {"policy": "hybrid", "promoted": True, "alpha": 0.5, "reason": "passed", "max_steps": 1}
    week.write("promoted_model", {"decision.json": json_bytes(decision)})
    before = ten_users.live
    job = build_defs(ten_users.environment).resolve_job_def("weekly")
    assets = [dg.AssetKey("recommendations"), dg.AssetKey("published_embeddings")]
    done = job.execute_in_process(partition_key=OLD, asset_selection=assets)
    (made,) = done.asset_materializations_for_node("published_embeddings")
    assert f"week {TEN_USERS} was published already" in made.metadata["state"].value
    assert ten_users.live == before
