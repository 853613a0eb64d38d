"""serving_metrics, shadow_comparison: what is served, and what would be."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gnn_assets import metadata, models, partitions
from gnn_assets.assets.serving import made_table
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.evaluation.promotion import Decision
from gnn_core.experiment.serving_arms import ServingArms
from gnn_core.io.artifacts import json_bytes, parquet_bytes
from gnn_core.io.warehouse import TableName, label_value
from gnn_core.monitoring.mail_rates import MailWeek, mail_week
from gnn_core.monitoring.serving import score_stability
from gnn_core.monitoring.serving import serving_metrics as measure
from gnn_core.monitoring.shadow import COMPARED_COLUMNS, compare_lists
from gnn_core.monitoring.weekly import weekly_findings
from gnn_core.program.shadow_page import render_shadow
from gnn_core.publishing.audit import audit
from gnn_core.publishing.rules import ASSIGNED_ARMS
from gnn_core.recommender import Recommender
from gnn_core.scoring.recommend import recommend
from gnn_core.scoring.tiers import engagement_tiers

COLUMNS = (
    "user_id", "slot", "product_id", "price", "part_type", "source", "engagement_tier", "fitment_proof", "arm",
    "final_score",
)  # fmt: skip


def monitoring_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """serving_metrics, shadow_comparison."""

    @dg.asset(
        partitions_def=weekly,
        group_name="monitoring",
        deps=["recommendations"],
        kinds={"python"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def serving_metrics(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Variety, catalogue coverage, Gini, cold-start coverage and fallback share of the table that is served."""
        week = platform.week(context)
        snapshot = week.snapshot()
        rows = week.warehouse.read(made_table(week), columns=COLUMNS).to_pandas()
        tiers = engagement_tiers(snapshot)
        wanted_policy = (rows["arm"] == "treatment").to_numpy()
        fallback = (rows["fitment_proof"] == "universal").to_numpy() | (
            wanted_policy & rows["source"].str.startswith("sql_").to_numpy()
        )
        ids, vectors = models.stored_vectors(week.read("embeddings"))["products"]
        found = measure(
            rows,
            eligible_products=int(models.eligible_products(week, snapshot).sum()),
            cold_users=int((tiers == "cold").sum()),
            base_users=len(tiers),
            fallback_N=fallback,
            # From the mean, as in the drift: what all products share makes every pair look alike.
            vectors=(ids, vectors - vectors.mean(axis=0)),
        ).as_json()
        # By content, not by run: the same lists made twice are measured the same.
        found["digest"] = week.read("recommendation_candidates").json("staged.json")["digest"]
        found["cold_share"] = float((tiers == "cold").mean())
        found["vehicles"] = len(snapshot.segment_ids)
        found["mail"] = _mail(week).as_json()
        scores = rows.loc[rows["slot"] == 1, ["source", "final_score"]].sort_values(["source", "final_score"])
        found["scores"] = _scores(week, scores)
        artifact = week.write(
            "serving_metrics",
            {
                "metrics.json": json_bytes(found),
                "scores.parquet": parquet_bytes(pa.Table.from_pandas(scores, preserve_index=False)),
            },
        )
        checks = weekly_findings(found, week.settings.monitoring).values()
        plain = {k: v for k, v in found.items() if isinstance(v, int | float)}
        return dg.MaterializeResult(
            metadata={**plain, "users_by_source": metadata.counts(found["users_by_source"], "source", "users"),
                      "checks": metadata.rows(pd.DataFrame([vars(c) for c in checks])[["name", "state", "sentence"]]),
                      **metadata.artifact(artifact)},
            data_version=dg.DataVersion(artifact.version),
        )  # fmt: skip

    @dg.asset(
        partitions_def=weekly,
        group_name="monitoring",
        deps=["promoted_model", "gnn_checkpoint", "recommendation_candidates"],
        kinds={"python", "pytorch"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def shadow_comparison(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """The promoted policy's lists for everyone beside SQL's, not served: overlap, order, price, mix, who gains, QA.

        Without a promoted policy there is nothing to compare, and the asset says so.
        """
        week = platform.week(context)
        promoted = week.read("promoted_model")
        decision = Decision.from_json(promoted.json("decision.json"))
        if not decision.promoted:
            state = {"state": f"no policy is promoted: {decision.policy} is served"}
            files = {"shadow.json": json_bytes(state), "shadow.html": _shadow_page(week, state)}
            artifact = week.write("shadow_comparison", files, inputs=[promoted])
            return dg.MaterializeResult(metadata={**state, **metadata.artifact(artifact)})
        snapshot = week.snapshot()
        served = models.served_policies(week, snapshot, promoted)
        n = len(snapshot.user_ids)
        everyone = ServingArms(np.full(n, None, dtype=object), np.ones(n, dtype=bool), "everyone, in the shadow")

        def listed(policy: Recommender, source: str) -> tuple[pd.DataFrame, dict[str, Any]]:
            """What is compared of the lists, and their QA; the whole rows are let go."""
            rows = recommend(
                policy, sql=served.sql, gnn=served.graph, train=snapshot, users=np.arange(n),
                eligible_P=models.eligible_products(week, snapshot), settings=week.settings, source=source,
                run_id=context.run.run_id, scored_at=dt.datetime.now(dt.UTC), arms=everyone,
            ).table  # fmt: skip
            qa = _qa(week, rows, source)
            return rows.select(COMPARED_COLUMNS).to_pandas(), qa

        before, qa_before = listed(served.sql, served.sql.name)
        after, qa_after = listed(served.policy, served.source)
        qa = (qa_before, qa_after)
        found: dict[str, Any] = {"state": "compared", "baseline": served.sql.name, "policy": served.source}
        found |= compare_lists(before, after).as_json()
        found["qa"] = dict(zip(("served", "shadow"), qa, strict=True))
        artifact = week.write(
            "shadow_comparison",
            {"shadow.json": json_bytes(found), "shadow.html": _shadow_page(week, found)},
            inputs=[promoted],
            sections=("scoring", "hybrid"),
        )
        plain = {k: v for k, v in found.items() if isinstance(v, int | float | str)}
        shifts = pd.DataFrame(found["largest_shifts"], columns=["part type", "served", "shadow"])
        return dg.MaterializeResult(
            metadata={
                **plain,
                "largest_shifts": metadata.rows(shifts),
                "qa": metadata.rows(pd.DataFrame([{**q, "broken": len(q["broken"])} for q in qa])),
                "page": dg.MetadataValue.path(f"{artifact.path}/shadow.html"),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [serving_metrics, shadow_comparison]


def _qa(week: Week, rows: pa.Table, source: str) -> dict[str, Any]:
    """The rules that block a publish, asked of a table that is not to be published; it is dropped again.

    But for the arms: one policy's lists for everyone are nobody's arm.
    """
    table = TableName(week.settings.warehouse.work_dataset, f"shadow_{label_value(source).replace('-', '_')}")
    week.warehouse.load(table, rows)
    try:
        judged = audit(week.warehouse, table, week.tables, week.settings, live=None)
    finally:
        week.warehouse.drop(table)
    verdicts = [v for v in judged if v.rule != ASSIGNED_ARMS]
    by_rule = {v.rule: v for v in verdicts}
    broken = [{"rule": v.rule, "n_bad": v.n_bad, "sentence": v.sentence} for v in verdicts if not v.passed]
    return {
        "source": source,
        "users": int(by_rule["min_users"].observed),
        "coverage": by_rule["coverage"].observed,
        "lowest_price": float(pc.min(rows["price"]).as_py()),
        "rules": len(verdicts),
        "kept": len(verdicts) - len(broken),
        "broken": broken,
    }


def _shadow_page(week: Week, found: Mapping[str, Any]) -> bytes:
    return render_shadow(found, week.settings.store.name, str(partitions.as_of(week.key))).encode()


def _mail(week: Week) -> MailWeek:
    """The week's e-mails beside those of the weeks before."""
    frames = week.frames("sends", "engagements", "events")
    settings = week.settings
    return mail_week(
        frames["sends"], frames["engagements"], frames["events"], pd.Timestamp(partitions.as_of(week.key), tz="UTC"),
        settle_days=settings.experiment.settle_days, reference_weeks=settings.monitoring.reference_weeks,
        confidence=settings.experiment.confidence,
    )  # fmt: skip


def _scores(week: Week, scores: pd.DataFrame) -> dict[str, object]:
    """PSI of scores by source against the newest earlier week, and which week that is."""
    earlier = [w for w in week.store.weeks() if w < week.key and week.store.exists(w, "serving_metrics")]
    if not earlier:
        return {"by_source": {}, "why": "no earlier week was served"}
    before = week.store.read(earlier[-1], "serving_metrics").table("scores.parquet").to_pandas()
    limits = week.settings.monitoring
    found = score_stability(before, scores, bins=limits.psi_bins, confidence=limits.drift_confidence)
    why = earlier[-1] if found else f"{earlier[-1]} was served by other policies"
    return {"by_source": found, "why": why}
