"""fitment_change_impact: who would lose or gain which slots, known before the publisher is asked."""

import dagster as dg
import pandas as pd
import pyarrow as pa

from gnn_assets import metadata
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.discovery.impact import Impact, measure_impact, published_before, week_before
from gnn_core.io.artifacts import json_bytes, parquet_bytes
from gnn_core.io.warehouse import TableName

NOTHING = "nothing was published before: every slot is new"


def impact_of(week: Week, *, facts_only: bool = False) -> Impact | None:
    """The week's candidates, or its facts where there are none yet, against what is published; None without one."""
    staged = None
    if not facts_only and week.store.exists(week.key, "recommendation_candidates"):
        staged = week.read("recommendation_candidates").json("staged.json")
    published = published_before(week.warehouse, week.settings, staged["run_id"] if staged else None)
    if published is None:
        return None
    candidates = TableName.parse(staged["table"]) if staged else None
    previous = week_before(week.warehouse, week.tables)
    return measure_impact(week.warehouse, published, candidates, week.tables, previous, week.settings)


def impact_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """fitment_change_impact."""

    @dg.asset(
        partitions_def=weekly,
        group_name="serving",
        deps=["recommendation_candidates"],
        kinds={"sql", "parquet"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def fitment_change_impact(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Slots that users would lose or gain against what is published, by reason: product gone, fitment removed,
        price below the rule, bought since, rank only. Made before the publish, so that a broken catalogue is seen.
        """
        week = platform.week(context)
        candidates = week.read("recommendation_candidates")
        found = impact_of(week)
        if found is None:
            artifact = week.write("fitment_change_impact", {"impact.json": json_bytes({"state": NOTHING})})
            return dg.MaterializeResult(metadata={"state": NOTHING, **metadata.artifact(artifact)})
        facts = {"state": "compared", **found.as_json()}
        artifact = week.write(
            "fitment_change_impact",
            {
                "impact.json": json_bytes(facts),
                "lost.parquet": parquet_bytes(pa.Table.from_pandas(found.lost, preserve_index=False)),
                "gained.parquet": parquet_bytes(pa.Table.from_pandas(found.gained, preserve_index=False)),
            },
            inputs=[candidates],
            sections=("scoring", "eligibility"),
        )
        return dg.MaterializeResult(
            metadata={
                "users": found.users,
                "users_losing_by_catalogue_or_fitment": found.users_losing,
                "lost_share": found.lost_share,
                "by_reason": metadata.rows(found.by_reason()),
                "by_make_and_model": metadata.rows(found.by_model(15)),
                "sample": metadata.rows(pd.DataFrame(found.sample(2))),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [fitment_change_impact]
