"""promoted_model → recommendation_candidates → recommendations: refitted at the as-of date, staged, audited, moved."""

import datetime as dt
from functools import partial

import dagster as dg
import pandas as pd

from gnn_assets import metadata, models, torchrun
from gnn_assets.assets.candidates import candidates_asset
from gnn_assets.interrupted import settled_live_state, write_published
from gnn_assets.partitions import as_of
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.errors import PublishRefused
from gnn_core.evaluation.promotion import Decision
from gnn_core.experiment.rollout_ledger import read_moves
from gnn_core.experiment.serving_arms import governing_share
from gnn_core.io.warehouse import TableName
from gnn_core.publishing import publisher
from gnn_core.publishing.schema import live_table
from gnn_core.publishing.shares import share_note


def publish_staged(week: Week, published_at: dt.datetime, *, back_in_time: bool = False) -> publisher.PublishResult:
    """Hand the week's staged candidates to the publisher, which judges them again by itself.

    Args:
        back_in_time: a person wants this week's lists although a later week was published.
    Raises:
        PublishRefused: a later week was published, or they were made under another share than the rollout's ledger
            gives now, or they break a rule. The live table has not moved.
    """
    staged = week.read("recommendation_candidates").json("staged.json")
    share = staged.get("ledger_share")
    settled_live_state(week)  # else a later week whose publish was interrupted would not count as published
    later = later_published(week)
    if later and not back_in_time:
        raise PublishRefused(
            f"{staged['table']} does not go live: week {later} was published already, and the table does not go back "
            f"in time by itself. To put an earlier version back: `gnn rollback`. To publish the lists of {week.key} "
            f"all the same: `gnn publish --week {week.key} --back-in-time`"
        )
    # It is read from now on, whatever week it was made for.
    share_is_the_present_one = partial(_refuse_other_share, week, later or week.key, staged["table"], share)
    share_is_the_present_one()
    result = publisher.publish(
        week.publisher,
        TableName.parse(staged["table"]),
        week.tables,
        week.settings,
        expected_digest=staged["digest"],
        at=published_at,
        note=share_note(share),
        last_look=share_is_the_present_one,
    )
    write_published(week, result.state, share)
    return result


def _refuse_other_share(week: Week, newest: str, table: str, staged: float | None) -> None:
    """Since staging somebody may have moved the rollout; a rollback least of all may be published over."""
    moves = read_moves(week.publisher, week.settings)
    now = governing_share(moves, week.settings.experiment, as_of(newest))
    if now == staged:
        return
    last = f" (move {moves[-1].sequence}, {moves[-1].action} by {moves[-1].by})" if moves else ""
    raise PublishRefused(
        f"{table} does not go live: it was made under {_words(staged)}, and the rollout now stands at {_words(now)}"
        f"{last}. Run the job `republish` for the week of {week.key}, which makes the table under the present share"
    )


def _words(share: float | None) -> str:
    return "no share of the rollout" if share is None else f"{share:.0%}"


def made_table(week: Week) -> TableName:
    """Where the week's lists stand: the live table, or aside where a later week is live."""
    if later_published(week):
        return TableName.parse(week.read("recommendation_candidates").json("staged.json")["table"])
    return live_table(week.settings)


def later_published(week: Week) -> str | None:
    """The newest week after this one that was published; None when there is none."""
    later = [w for w in week.store.weeks() if w[:1].isdigit() and w > week.key]
    published = [w for w in later if week.store.exists(w, "recommendations")]
    return published[-1] if published else None


def serving_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """promoted_model, recommendation_candidates, recommendations."""
    last_week = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @dg.asset(
        partitions_def=weekly,
        group_name="serving",
        deps=["eval_report", dg.AssetDep("promoted_model", partition_mapping=last_week)],
        kinds={"pytorch"},
        owners=OWNERS,
        code_version="1",
    )
    def promoted_model(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """What is promoted: the gate's verdict read as data. A promoted graph is refitted as of the as-of date.

        Settings and number of steps are those that were judged; only the data are newer. Without a pass it is SQL.
        """
        week = platform.week(context)
        if models.needs_graph(week):
            artifact = torchrun.fit(platform, week, "promoted_model", context.log.info)
        else:
            from gnn_assets import fitting

            artifact = fitting.alone(week, "promoted_model")  # nothing to train, so nothing to share out
        decision = Decision.from_json(artifact.json("decision.json"))
        return dg.MaterializeResult(
            metadata={
                "policy": decision.policy,
                "reason": decision.reason,
                "fitted_before": str(week.timeline.as_of),
                "warm_start": artifact.manifest.meta["warm_start"],
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="serving",
        deps=["recommendation_candidates", "fitment_change_impact"],
        kinds={"sql", "table"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def recommendations(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """The table that the e-mail system reads: audited again by the publisher, moved whole or not at all.

        A week that is made again after a later one was published is judged and kept aside: the table never goes back
        in time by itself.
        """
        week = platform.week(context)
        if later := later_published(week):
            return dg.MaterializeResult(
                metadata={
                    "published": f"no: week {later} was published already. To go back on purpose: gnn rollback",
                    "table": week.read("recommendation_candidates").json("staged.json")["table"],
                }
            )
        result = publish_staged(week, published_at=dt.datetime.now(dt.UTC))
        live = result.state
        rules = pd.DataFrame([{"rule": v.rule, "found": v.observed, "holds": v.sentence} for v in result.verdicts])
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": live.rows,
                "table": str(live.table),
                "users": live.users,
                "source": live.source,
                "digest": live.digest,
                "run_id": live.run_id,
                "audit": metadata.rows(rules),
            },
            data_version=dg.DataVersion(live.digest),
        )

    return [promoted_model, candidates_asset(weekly), recommendations]
