"""gnn_checkpoint and embeddings: the graph model as it is judged, fitted before each window."""

import datetime as dt

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from gnn_assets import charts, metadata, models, torchrun
from gnn_assets.budget import refuse_over_budget
from gnn_assets.policy import OWNERS
from gnn_assets.resources import Platform
from gnn_core.io.artifacts import parquet_bytes
from gnn_core.scoring.audience import build_audience, segment_audience


def training_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """gnn_checkpoint, embeddings."""
    last_week = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @dg.asset(
        partitions_def=weekly,
        group_name="training",
        deps=["hetero_graph", dg.AssetDep("gnn_checkpoint", partition_mapping=last_week)],
        kinds={"pytorch"},
        owners=OWNERS,
        code_version="1",
    )
    def gnn_checkpoint(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Graph models to judge by: one fitted before each validation window, stopped early by Recall@10 there; then
        one before each test window, with that number of steps and the start of a history's weights that was chosen
        with it. A killed run resumes; weights start from last week's.

        With `training.processes` above 1, that many train together; they make the same model in less time.
        """
        week = platform.week(context)
        refuse_over_budget(week, dt.datetime.now(dt.UTC).date())
        artifact = torchrun.fit(platform, week, "gnn_checkpoint", context.log.info)
        made = artifact.manifest.meta
        histories = made["histories"]
        validation = [name for name in histories if name.startswith("validation")]
        return dg.MaterializeResult(
            metadata={
                "steps": made["steps"],
                "start": made["start"],
                "validation_recall_at_10": _best(histories[validation[0]]),
                "warm_start": dg.MetadataValue.md("; ".join(f"{r}: {what}" for r, what in made["warm_start"].items())),
                "processes": made["processes"],
                "curve": metadata.image(charts.training_curves(histories), "loss and validation Recall@10 by step"),
                "history": metadata.rows(pd.DataFrame(histories[validation[0]]).drop(columns="draws", errors="ignore")),
                "path_weights": metadata.rows(pd.DataFrame(made["path_weights"])),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="training",
        deps=["gnn_checkpoint"],
        kinds={"pytorch", "parquet"},
        owners=OWNERS,
        code_version="1",
    )
    def embeddings(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """User, product and vehicle vectors of the judged model: score = inner product, so an index can serve them.

        Cold users with the same vehicles share a vector; `users.parquet` says which row is whose.
        """
        week = platform.week(context)
        checkpoint = week.read("gnn_checkpoint")
        cut = week.timeline.test[-1]
        train = week.snapshot().before(cut.fitted_before)
        model = models.stored_graphs(week, checkpoint)(cut, train)
        segment_SO = model.user_vectors(segment_audience(train))
        users = np.arange(len(train.user_ids))
        audience, row_U = build_audience(train, users)
        user_AO = model.user_vectors(audience)
        artifact = week.write(
            "embeddings",
            {
                "products.parquet": parquet_bytes(
                    models.vector_table("product_id", train.product_ids, model.product_vectors())
                ),
                "vehicles.parquet": parquet_bytes(models.vector_table("segment_id", train.segment_ids, segment_SO)),
                "user_vectors.parquet": parquet_bytes(models.vector_table("row", np.arange(len(audience)), user_AO)),
                "users.parquet": parquet_bytes(pa.table({"user_id": train.user_ids.astype(str), "row": row_U})),
            },
            inputs=[checkpoint],
            sections=models.GRAPH_SECTIONS,
            meta={"fitted_before": str(cut.fitted_before), **models.vector_facts(week, model, train)},
        )
        distinct = len(np.unique(user_AO.round(6), axis=0))
        return dg.MaterializeResult(
            metadata={
                "users": len(users),
                "rows_of_work": len(audience),
                "distinct_user_vectors": distinct,
                "distinct_per_vehicle": distinct / max(len(train.segment_ids), 1),
                "fitted_before": str(cut.fitted_before),
                "product_norms": _norms(model.product_vectors()[:, :-1]),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [gnn_checkpoint, embeddings]


def _best(history: list[dict]) -> float:
    return max(entry["validation_recall_at_10"] for entry in history)


def _norms(values: np.ndarray) -> dg.MarkdownMetadataValue:
    norms = np.linalg.norm(values, axis=1)
    quantiles = {f"{q:.0%}": float(np.quantile(norms, q)) for q in (0, 0.25, 0.5, 0.75, 1)}
    return metadata.rows(pd.DataFrame(quantiles.items(), columns=["quantile", "norm"]))
