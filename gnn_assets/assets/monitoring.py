"""serving_metrics, shadow_comparison, cost_ledger, program_status: what is watched, what it cost, how it stands."""

import datetime as dt

import dagster as dg
import numpy as np
import pandas as pd

from gnn_assets import metadata, models, partitions
from gnn_assets.assets.serving import made_table
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.evaluation.promotion import Decision
from gnn_core.experiment.serving_arms import ServingArms
from gnn_core.io.artifacts import json_bytes
from gnn_core.monitoring.cost import CPU, GPU, append_charges, charge, cost_table, month_cost, read_charges
from gnn_core.monitoring.serving import serving_metrics as measure
from gnn_core.monitoring.shadow import compare_lists
from gnn_core.program.status import ProgramStatus
from gnn_core.program.status import program_status as put_together
from gnn_core.scoring.recommend import recommend
from gnn_core.scoring.tiers import engagement_tiers

COLUMNS = ("user_id", "slot", "product_id", "price", "part_type", "source", "engagement_tier", "fitment_proof", "arm")


def monitoring_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """serving_metrics, shadow_comparison, cost_ledger, program_status."""

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
        found = measure(
            rows,
            eligible_products=int(models.eligible_products(week, snapshot).sum()),
            cold_users=int((tiers == "cold").sum()),
            fallback_N=fallback,
        ).as_json()
        # By content, not by run: the same lists made twice are measured the same.
        found["digest"] = week.read("recommendation_candidates").json("staged.json")["digest"]
        found["cold_share"] = float((tiers == "cold").mean())
        artifact = week.write(
            "serving_metrics",
            {"metrics.json": json_bytes(found)},
        )
        plain = {k: v for k, v in found.items() if isinstance(v, int | float)}
        return dg.MaterializeResult(
            metadata={**plain, "users_by_source": metadata.counts(found["users_by_source"], "source", "users"),
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
        """The promoted policy's lists for everyone beside SQL's, not served: overlap, order, price, mix, who gains.

        Without a promoted policy there is nothing to compare, and the asset says so.
        """
        week = platform.week(context)
        promoted = week.read("promoted_model")
        decision = Decision.from_json(promoted.json("decision.json"))
        if not decision.promoted:
            state = {"state": f"no policy is promoted: {decision.policy} is served"}
            artifact = week.write("shadow_comparison", {"shadow.json": json_bytes(state)}, inputs=[promoted])
            return dg.MaterializeResult(metadata={**state, **metadata.artifact(artifact)})
        snapshot = week.snapshot()
        served = models.served_policies(week, snapshot, promoted)
        n = len(snapshot.user_ids)
        tables = []
        for policy, source in ((served.sql, served.sql.name), (served.policy, served.source)):
            everyone = ServingArms(np.full(n, None, dtype=object), np.ones(n, dtype=bool), "everyone, in the shadow")
            lists = recommend(
                policy, sql=served.sql, gnn=served.graph, train=snapshot, users=np.arange(n),
                eligible_P=models.eligible_products(week, snapshot), settings=week.settings, source=source,
                run_id=context.run.run_id, scored_at=dt.datetime.now(dt.UTC), arms=everyone,
            )  # fmt: skip
            tables.append(lists.table.select(COLUMNS).to_pandas())
        found = {"state": "compared", "baseline": served.sql.name, "policy": served.source}
        found |= compare_lists(*tables).as_json()
        artifact = week.write(
            "shadow_comparison", {"shadow.json": json_bytes(found)}, inputs=[promoted], sections=("scoring", "hybrid")
        )
        plain = {k: v for k, v in found.items() if isinstance(v, int | float | str)}
        shifts = pd.DataFrame(found["largest_shifts"], columns=["part type", "served", "shadow"])
        return dg.MaterializeResult(
            metadata={**plain, "largest_shifts": metadata.rows(shifts), **metadata.artifact(artifact)},
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="monitoring",
        deps=["recommendations"],
        kinds={"table"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def cost_ledger(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Seconds of this run's steps at the price of their machine, by asset and month, against the month's budget."""
        week = platform.week(context)
        now = dt.datetime.now(dt.UTC)
        gpu = week.settings.training.device == "cuda"
        charges = [
            charge(
                GPU if gpu and step in ("gnn_checkpoint", "promoted_model") else CPU, seconds, asset=step, at=now,
                run_id=context.run.run_id, settings=week.settings.cost,
            )
            for step, seconds in _step_seconds(context).items()
        ]  # fmt: skip
        added = append_charges(week.publisher, week.settings, charges)
        name = f"{now:%Y-%m}"
        month = month_cost(
            read_charges(week.warehouse, week.settings), name, week.settings.cost,
            decided=week.settings.cost.decided_month == name,
        )  # fmt: skip
        # Of no settings section: what was spent stays spent when a price or a decision changes.
        artifact = week.write("cost_ledger", {"month.json": json_bytes(month.as_json())})
        return dg.MaterializeResult(
            metadata={
                "month": month.sentence,
                "usd": month.usd,
                "charged_steps": added,
                "by_asset": metadata.counts(month.by_asset, "asset", "USD"),
                "ledger": str(cost_table(week.settings)),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="monitoring",
        deps=["eval_report", "promoted_model", "experiment_readout", "rollout_stage", "serving_metrics", "cost_ledger"],
        kinds={"python"},
        owners=OWNERS,
        code_version="1",
    )
    def program_status(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Phase, gates with verdict and interval, who is served what, the next decision, and the reasons to stop."""
        week = platform.week(context)
        status = status_of(week)
        artifact = week.write(
            "program_status",
            {"status.json": json_bytes(status.as_json())},
            inputs=[week.read(name) for name in ("eval_report", "promoted_model", "rollout_stage")],
        )
        return dg.MaterializeResult(
            metadata={
                "phase": status.phase,
                "served": status.served,
                "next_decision": status.next_decision,
                "cold_share": status.cold_share,
                "gates": metadata.rows(pd.DataFrame([vars(g) for g in status.gates])),
                "reasons_to_stop": metadata.rows(pd.DataFrame([vars(s) for s in status.stops])),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [serving_metrics, shadow_comparison, cost_ledger, program_status]


def status_of(week: Week) -> ProgramStatus:
    """The program as of a week that was run whole."""
    promoted = week.read("promoted_model")
    decision = Decision.from_json(promoted.json("decision.json"))
    return put_together(
        as_of=str(partitions.as_of(week.key)),
        report=week.read("eval_report").json("report.json"),
        promoted=decision.promoted,
        policy=decision.policy,
        readout=week.read("experiment_readout").json("readout.json"),
        stage=week.read("rollout_stage").json("stage.json"),
        cost=week.read("cost_ledger").json("month.json"),
        cold_share=float(week.read("serving_metrics").json("metrics.json")["cold_share"]),
        settings=week.settings,
    )


def _step_seconds(context: dg.AssetExecutionContext) -> dict[str, float]:
    """Seconds of every step of this run that has ended."""
    stats = context.instance.get_run_step_stats(context.run.run_id)
    return {s.step_key: s.end_time - s.start_time for s in stats if s.start_time is not None and s.end_time is not None}
