"""recommendation_candidates: everyone's lists, made in shards, merged, and staged in one table for the audit.

Three kinds of steps. `plan_shards` opens the warehouse once: it counts SQL's popularity, and fixes run id, moment and
how many shards there are. `score_shard`, one a shard, needs CPU and the artifact store only, so it runs anywhere; one
that fails is tried again alone. `merge_shards` refuses what is not exactly the planned shards, and stages the rows.
Between steps everything goes through the artifact store, whose lineage says which plan a shard was made for.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg

from gnn_assets import metadata, models
from gnn_assets.partitions import as_of
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.errors import ArtifactError, GnnCoreError, WarehouseBusyError
from gnn_core.experiment.serving_arms import ServingArms, serving_arms
from gnn_core.io.artifacts import Artifact, json_bytes, parquet_bytes
from gnn_core.publishing import publisher
from gnn_core.publishing.digest import table_digest
from gnn_core.scoring.recommend import recommend
from gnn_core.scoring.shards import Shard, merge, shard_count, users_of_shard
from gnn_core.snapshot import Snapshot

PLAN = "recommendation_plan"
RETRY = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""Of a shard: it only reads and writes artifacts, so that trying it again does no harm."""
SECTIONS = ("scoring", "eligibility", "serving", "hybrid", "publish", "discovery", "experiment")
"""Of plan, shards and staged table. `experiment`: who is served which list follows from its start, salts and shares, so
that a table of an experiment that was ended since is not published again."""


def candidates_asset(weekly: dg.WeeklyPartitionsDefinition) -> dg.AssetsDefinition:
    """recommendation_candidates."""

    @dg.op(
        name="plan_shards",
        ins={"promoted_model": dg.In(dg.Nothing), "rollout_stage": dg.In(dg.Nothing)},
        out=dg.DynamicOut(dg.Nothing),
        pool=WAREHOUSE_POOL,
    )
    def plan(context: dg.OpExecutionContext, platform: Platform) -> Iterator[dg.DynamicOutput]:
        """Count SQL's popularity, and decide how many shards there are."""
        week = platform.week(context)
        promoted, stage = week.read("promoted_model"), week.read("rollout_stage")
        snapshot = week.snapshot()
        shards = shard_count(len(snapshot.user_ids), week.settings.serving)
        content = {
            "run_id": context.run.run_id, "scored_at": dt.datetime.now(dt.UTC).isoformat(), "shards": shards,
            "ledger_share": _ledger_share(stage),
        }  # fmt: skip
        week.write(
            PLAN,
            {
                "plan.json": json_bytes(content),
                "sql.parquet": parquet_bytes(models.counted_sql(week, snapshot, promoted)),
            },
            inputs=[promoted, stage],
            sections=SECTIONS,
        )
        context.log.info(f"{len(snapshot.user_ids):,} users in {shards} shard(s)")
        for number in range(shards):
            yield dg.DynamicOutput(None, mapping_key=f"shard_{number}")

    @dg.op(
        name="score_shard",
        ins={"planned": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
        retry_policy=RETRY,
    )
    def score_shard(context: dg.OpExecutionContext, platform: Platform) -> None:
        """Lists of one shard's users."""
        key = context.get_mapping_key()
        assert key is not None
        try:
            _score(platform.week(context), int(key.removeprefix("shard_")))
        except WarehouseBusyError:
            raise
        except GnnCoreError as error:
            raise dg.Failure(f"{key}: {error}", allow_retries=False) from error

    @dg.op(
        name="merge_shards",
        ins={"scored": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
        pool=WAREHOUSE_POOL,
    )
    def merge_shards(context: dg.OpExecutionContext, platform: Platform) -> dg.Output:
        """Put the shards together and stage their rows."""
        week = platform.week(context)
        parts = _parts(week)
        planned, snapshot = parts.pop(0), week.snapshot()
        shards = [Shard.from_parts(part.json("counts.json"), part.table("lists.parquet")) for part in parts]
        lists = merge(shards, len(snapshot.user_ids))
        settled = planned.json("plan.json")
        run_id = settled["run_id"]
        table = publisher.stage(week.warehouse, lists.table, run_id, week.settings)
        digest = table_digest(week.warehouse, table)
        staged = {
            "table": str(table),
            "digest": digest,
            "run_id": run_id,
            "ledger_share": settled["ledger_share"],
            "users_by_source": lists.users_by_source,
            "without": lists.without,
        }
        artifact = week.write(
            "recommendation_candidates",
            {"staged.json": json_bytes(staged)},
            inputs=[planned, *parts],
            sections=SECTIONS,
        )
        sample = lists.table.slice(0, 8).to_pandas()[
            ["user_id", "slot", "product_id", "final_score", "source", "reason"]
        ]
        return dg.Output(
            None,
            metadata={
                "dagster/row_count": lists.table.num_rows,
                "table": str(table),
                "digest": digest,
                "shards": len(shards),
                "users": lists.n_served,
                "who_is_served_what": _arms(week, snapshot, week.read("rollout_stage")).why,
                "users_by_source": metadata.counts(lists.users_by_source, "source", "users"),
                "users_without": metadata.counts(lists.without, "reason", "users"),
                "sample": metadata.rows(sample),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(digest),
        )

    @dg.graph_asset(
        ins={name: dg.AssetIn(name, dagster_type=dg.Nothing) for name in ("promoted_model", "rollout_stage")},
        partitions_def=weekly,
        group_name="serving",
        kinds={"sql", "pytorch"},
        owners=OWNERS,
        code_version="2",
    )
    def recommendation_candidates(promoted_model: Any, rollout_stage: Any) -> Any:
        """Three or four products for every user who can be served, in a staging table named by the run.

        Users are scored in shards by a hash of their id; few users are one shard.
        """
        planned = plan(promoted_model=promoted_model, rollout_stage=rollout_stage)
        return merge_shards(scored=planned.map(lambda one: score_shard(planned=one)).collect())

    return recommendation_candidates


def _score(week: Week, number: int) -> Artifact:
    """Make and store one shard's lists."""
    found = week.store.read_all(week.key, [PLAN, "promoted_model", "rollout_stage"])
    planned = found[PLAN]
    settled = planned.json("plan.json")
    snapshot = week.snapshot()
    served = models.served_policies(week, snapshot, found["promoted_model"], planned.table("sql.parquet"))
    lists = recommend(
        served.policy,
        sql=served.sql,
        gnn=served.graph,
        train=snapshot,
        users=users_of_shard(snapshot, number, settled["shards"]),
        eligible_P=models.eligible_products(week, snapshot),
        settings=week.settings,
        source=served.source,
        run_id=settled["run_id"],
        scored_at=dt.datetime.fromisoformat(settled["scored_at"]),
        arms=_arms(week, snapshot, found["rollout_stage"]),
    )
    shard = Shard(number, settled["shards"], lists)
    return week.write(
        shard_name(number),
        {"lists.parquet": parquet_bytes(lists.table), "counts.json": json_bytes(shard.counts())},
        inputs=[planned],
        sections=SECTIONS,
    )


def shard_name(number: int) -> str:
    """Artifact of a shard."""
    return f"recommendation_shard_{number}"


def _parts(week: Week) -> list[Artifact]:
    """The plan, and every shard that was made for it.

    Raises:
        ArtifactError: a shard is missing, or was made for another plan.
    """
    shards = week.read(PLAN).json("plan.json")["shards"]
    names = [shard_name(number) for number in range(shards)]
    missing = [name for name in names if not week.store.exists(week.key, name)]
    if missing:
        raise ArtifactError(f"{week.key}: {missing} of {shards} shard(s) were never scored; run their steps again")
    return list(week.store.read_all(week.key, [PLAN, *names]).values())


def _arms(week: Week, snapshot: Snapshot, stage: Artifact) -> ServingArms:
    return serving_arms(snapshot.user_ids, as_of(week.key), week.settings, _ledger_share(stage))


def _ledger_share(stage: Artifact) -> float | None:
    """Share of the users that the rollout's ledger gives the promoted policy; None where no rollout governs."""
    moved = stage.json("stage.json")
    return float(moved["share"]) if moved["from_ledger"] else None
