"""sql_scores, validation_choice and gnn_scores: what each side says, and what is frozen before the test window."""

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from gnn_assets import charts, metadata, models
from gnn_assets.assets.graph import panel_of
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform
from gnn_core.io.artifacts import json_bytes, parquet_bytes
from gnn_core.program.offline import SQL_VERSIONS, choose
from gnn_core.scoring.ranked import ranked_lists
from gnn_core.scoring.sql_baseline import compute_sql_scores

CHOICE_SECTIONS = ("split", "evaluation", "scoring", "eligibility", "hybrid", "baseline", "discovery")


def scoring_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """sql_scores, validation_choice, gnn_scores."""

    @dg.asset(
        partitions_def=weekly,
        group_name="scoring",
        deps=["temporal_split"],
        kinds={"sql"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def sql_scores(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """The SQL cascade v5.17 and v5.18 in the warehouse, lists included, as of the newest judged cutoff.

        At the other cutoffs only its scores are needed; they are computed where models are compared.
        """
        week = platform.week(context)
        split = week.read("temporal_split")
        runs: list[dict[str, object]] = []
        cutoff = week.timeline.test[-1].fitted_before
        for version in SQL_VERSIONS:
            done = compute_sql_scores(week.warehouse, week.tables, cutoff, version, week.settings)
            tables = {"segment_scores": str(done.segment_scores), "lists": str(done.lists)}
            run: dict[str, object] = {"version": version, "cutoff": str(cutoff), **tables}
            runs.append({**run, **done.coverage})
        artifact = week.write(
            "sql_scores",
            {"runs.json": json_bytes(runs)},
            inputs=[split],
            sections=("baseline", "scoring", "eligibility", "sources"),
        )
        return dg.MaterializeResult(
            metadata={"runs": metadata.rows(pd.DataFrame(runs)), **metadata.artifact(artifact)},
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="scoring",
        deps=["gnn_checkpoint", "sql_scores"],
        kinds={"python"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def validation_choice(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Everything that is chosen, chosen on validation windows and frozen: baseline, α, smoother, candidate."""
        week = platform.week(context)
        inputs = week.store.read_all(week.key, ["gnn_checkpoint", "sql_scores"])
        snapshot = week.snapshot()
        selection = choose(
            snapshot,
            week.timeline.validation,
            week.settings,
            models.eligible_products(week, snapshot),
            make_sql=models.sql_maker(week),
            graph_of=models.stored_graphs(week, inputs["gnn_checkpoint"]),
        )
        artifact = week.write(
            "validation_choice",
            {"selection.json": json_bytes(selection.as_json())},
            inputs=inputs.values(),
            sections=CHOICE_SECTIONS,
        )
        return dg.MaterializeResult(
            metadata={
                "baseline": selection.baseline,
                "alpha": selection.alpha,
                "candidate": selection.candidate,
                "reason": selection.reason,
                "recall_at_10": metadata.counts(selection.recalls, "model", "validation Recall@10"),
                "alpha_curve": metadata.image(
                    charts.alpha_curve(selection.alpha_curve, selection.alpha), "validation Recall@10 by α"
                ),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="scoring",
        deps=["gnn_checkpoint", "temporal_split"],
        kinds={"pytorch", "parquet"},
        owners=OWNERS,
        code_version="1",
    )
    def gnn_scores(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """The graph model's first candidates, with scores, for every user who can be judged in a test window."""
        week = platform.week(context)
        inputs = week.store.read_all(week.key, ["gnn_checkpoint", "temporal_split"])
        snapshot = week.snapshot()
        length = week.settings.evaluation.list_length
        tables = []
        for cut in week.timeline.test:
            panel = panel_of(week, snapshot, cut)
            model = models.stored_graphs(week, inputs["gnn_checkpoint"])(cut, panel.train)
            model.prepare(panel.audience)
            product_AK, score_AK = ranked_lists(
                model, len(panel.audience), panel.candidates, length, week.settings.scoring.block_rows
            )
            product_UK, score_UK = product_AK[panel.row_U], score_AK[panel.row_U]
            user, place = np.nonzero(product_UK >= 0)
            tables.append(
                pa.table(
                    {
                        "cut": pa.array([cut.name] * len(user)),
                        "user_id": pa.array(panel.users["user_id"].to_numpy()[user].tolist(), pa.string()),
                        "rank": place + 1,
                        "product_id": pa.array(panel.train.product_ids[product_UK[user, place]].tolist(), pa.string()),
                        "score": score_UK[user, place].astype(np.float64),
                    }
                )
            )
        scores = pa.concat_tables(tables)
        artifact = week.write(
            "gnn_scores",
            {"scores.parquet": parquet_bytes(scores)},
            inputs=inputs.values(),
            sections=("evaluation", "scoring", "eligibility"),
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": scores.num_rows,
                "sample": metadata.rows(scores.slice(0, 5).to_pandas()),
                "scores": metadata.image(
                    charts.histogram(scores["score"].to_numpy(), "score"), "distribution of scores"
                ),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [sql_scores, validation_choice, gnn_scores]
