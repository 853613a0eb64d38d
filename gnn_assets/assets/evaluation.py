"""eval_report: every model on the same held-out users, gate 1, and the page that an owner reads."""

import re
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from gnn_assets import metadata, models
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.evaluation.canary import CanaryResult
from gnn_core.evaluation.comparison import compare, diversity, user_frame
from gnn_core.evaluation.positives import email_clicks
from gnn_core.evaluation.report import figures_frame, render_report
from gnn_core.evaluation.report_data import Dropped, ReportData, TrainingStep, report_json
from gnn_core.evaluation.selection import Selection
from gnn_core.io.artifacts import Artifact, json_bytes, parquet_bytes
from gnn_core.program.offline import Judged, judge
from gnn_core.scoring.tiers import engagement_tiers
from gnn_core.snapshot import Snapshot

INPUTS = ("hetero_graph", "gnn_checkpoint", "sql_scores", "gnn_scores", "validation_choice", "embeddings")


def evaluation_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """eval_report."""

    @dg.asset(
        partitions_def=weekly,
        group_name="evaluation",
        deps=list(INPUTS),
        kinds={"python"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def eval_report(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Recall, hit rate, MRR and NDCG of every model on the held-out window, with intervals, and gate 1's answer."""
        week = platform.week(context)
        inputs = week.store.read_all(week.key, INPUTS)
        snapshot = week.snapshot()
        selection = Selection.from_json(inputs["validation_choice"].json("selection.json"))
        frames = week.frames("sends", "engagements")
        judged = judge(
            snapshot,
            week.timeline,
            selection,
            week.settings,
            models.eligible_products(week, snapshot),
            make_sql=models.sql_maker(week),
            graph_of=models.stored_graphs(week, inputs["gnn_checkpoint"]),
            clicks=email_clicks(snapshot, frames["sends"], frames["engagements"]) if len(frames["sends"]) else None,
            invalid=[c.sentence for c in _canaries(inputs["hetero_graph"]) if not c.passed],
        )
        data = _report_data(week, snapshot, judged, inputs)
        figures = figures_frame(data)
        artifact = week.write(
            "eval_report",
            {
                "report.html": render_report(data).encode(),
                "report.json": json_bytes(report_json(data)),
                "figures.parquet": parquet_bytes(pa.Table.from_pandas(figures, preserve_index=False)),
                "users.parquet": parquet_bytes(
                    pa.Table.from_pandas(user_frame(judged.evaluation, week.settings.evaluation), preserve_index=False)
                ),
            },
            inputs=inputs.values(),
            sections=("gate1", "evaluation", "serving"),
        )
        main = judged.comparison.table.query("stage == 'before' and group == 'all' and metric == 'recall_10'")
        return dg.MaterializeResult(
            metadata={
                "gate_1_graph": f"{judged.graph.verdict}: {judged.graph.reason}",
                "gate_1_candidate": f"{judged.candidate.verdict}: {judged.candidate.reason}",
                "recall_at_10": metadata.rows(main[["model", "mean", "lift", "low", "high", "n_baseline_hits"]]),
                "report": dg.MetadataValue.path(f"{artifact.path}/report.html"),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [eval_report]


def _canaries(graph: Artifact) -> list[CanaryResult]:
    return [
        CanaryResult(**(values | {"moved": tuple(values["moved"])})) for values in graph.json("canary.json").values()
    ]


def _report_data(week: Week, snapshot: Snapshot, judged: Judged, inputs: dict[str, Artifact]) -> ReportData:
    settings = week.settings
    canaries = _canaries(inputs["hetero_graph"])
    against = compare(judged.evaluation, "smoother", settings.evaluation, judged=("graph", "hybrid"))
    checkpoint = inputs["gnn_checkpoint"].manifest.meta
    # By name: the other histories are of refits, which are not judged while they train.
    history = checkpoint["histories"][week.timeline.validation[0].name]
    eligible_P = models.eligible_products(week, snapshot)
    before_test = snapshot.before(week.timeline.test[-1].fitted_before)
    tiers, counts = np.unique(engagement_tiers(before_test), return_counts=True)
    return ReportData(
        store=settings.store.name,
        as_of=str(week.timeline.as_of)[:10],
        pipeline_version=settings.publish.pipeline_version,
        verdicts={"graph": judged.graph, judged.selection.candidate: judged.candidate},
        selection=judged.selection,
        comparison=judged.comparison,
        against_smoother={name: against.lift(name) for name in ("graph", "hybrid")},
        diversity=tuple(diversity(judged.evaluation)),
        facts=judged.evaluation.facts,
        training=tuple(TrainingStep(e["step"], e["loss"], e["validation_recall_at_10"]) for e in history),
        best_step=int(checkpoint["steps"]),
        # The one that sang, if any did: the report must show it.
        canary=next((c for c in canaries if not c.passed), canaries[-1]),
        users_by_tier=dict(zip(tiers.tolist(), counts.tolist(), strict=True)),
        products=len(snapshot.product_ids),
        eligible_products=int(eligible_P.sum()),
        served_share=settings.serving.hybrid_share,
        drops=tuple(_drops(week)),
        stand_ins=settings.store.stand_ins,
        provenance=_provenance(week, inputs),
    )


def _drops(week: Week) -> list[Dropped]:
    raw = week.raw()
    return [
        Dropped(name, reason, rows)
        for name in SNAPSHOT_TABLES
        for reason, rows in raw[name].json("dropped.json").items()
    ]


def _provenance(week: Week, inputs: dict[str, Artifact]) -> dict[str, Any]:
    graph = inputs["gnn_checkpoint"]
    cuts = {f"{cut.name} fitted before": str(cut.fitted_before)[:10] for cut in week.timeline.cuts}
    lineage = {key: version[:16] for key, version in graph.manifest.lineage.items()}
    own = {artifact.key: artifact.version[:16] for artifact in inputs.values()}
    settings = {"settings": week.settings.fingerprint()[:16], "git commit": _short(graph.manifest.git_commit)}
    return {**cuts, **settings, **lineage, **own}


def _short(commit: str) -> str:
    """Twelve digits of a hash, with the `+` of changed files; whatever else stands there, whole."""
    found = re.fullmatch(r"([0-9a-f]{12})[0-9a-f]*(\+?)", commit)
    return found[1] + found[2] if found else commit
