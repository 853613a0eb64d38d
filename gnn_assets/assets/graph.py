"""temporal_split and hetero_graph: which window trains and judges, and the graph as each window's model may see it."""

from collections.abc import Callable

import dagster as dg
import numpy as np
import pandas as pd

from gnn_assets import metadata
from gnn_assets.interactions import FACTS
from gnn_assets.policy import OWNERS
from gnn_assets.resources import Platform, Week
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.evaluation.canary import leak_canary
from gnn_core.evaluation.panel import Panel, build_panel
from gnn_core.evaluation.positives import email_clicks
from gnn_core.graph.split import Cut
from gnn_core.io.artifacts import json_bytes
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.scoring.tiers import engagement_tiers
from gnn_core.snapshot import Snapshot

SPLIT_SECTIONS = ("split", "evaluation", "scoring", "eligibility")


def panel_of(week: Week, snapshot: Snapshot, cut: Cut) -> Panel:
    """Evaluable users of a cut; one definition for every asset that needs them."""
    frames = week.frames("sends", "engagements")
    clicks = email_clicks(snapshot, frames["sends"], frames["engagements"]) if len(frames["sends"]) else None
    eligible_P = eligible_mask(snapshot.products, week.settings.eligibility)
    return build_panel(snapshot, snapshot.before(cut.fitted_before), cut, week.settings, eligible_P, clicks=clicks)


def graph_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """temporal_split, hetero_graph."""
    raw = [f"raw_{name}" for name in SNAPSHOT_TABLES]

    @dg.asset(
        partitions_def=weekly,
        group_name="graph",
        deps=[*raw, FACTS],
        kinds={"python"},
        owners=OWNERS,
        code_version="1",
    )
    def temporal_split(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Validation and test windows, counted back from the as-of date, and who can be judged in each."""
        week = platform.week(context)
        snapshot = week.snapshot()
        facts = [panel_of(week, snapshot, cut).facts.as_json() for cut in week.timeline.cuts]
        names, users = np.unique(engagement_tiers(snapshot), return_counts=True)
        tiers = dict(zip(names.tolist(), users.tolist(), strict=True))
        as_of = str(week.timeline.as_of)
        artifact = week.write(
            "temporal_split",
            {"split.json": json_bytes({"as_of": as_of, "cuts": facts, "tiers": tiers})},
            inputs=[week.read(FACTS)],
            sections=SPLIT_SECTIONS,
        )
        return dg.MaterializeResult(
            metadata={
                "as_of": as_of,
                "windows": metadata.rows(pd.DataFrame(facts)),
                "users_by_tier": metadata.counts(tiers, "tier", "users"),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="graph",
        deps=["temporal_split", FACTS],
        kinds={"pytorch"},
        owners=OWNERS,
        code_version="1",
    )
    def hetero_graph(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """The heterogeneous graph as of each window's cutoff, to judge by: 3 node types, 7 edge types.

        Its interactions and joint orders are derived from interaction_facts: decayed, counted, pruned for each cutoff.

        What is served is fitted on a later graph, as of the as-of date (promoted_model).
        """
        from gnn_core.graph.hetero import build_graph  # brings torch

        week = platform.week(context)
        split = week.read("temporal_split")
        snapshot = week.snapshot()
        summaries, canaries = {}, {}
        for cut in week.timeline.cuts:
            graph = build_graph(snapshot.before(cut.fitted_before), week.settings.graph)
            summaries[cut.name] = graph.summary() | {"digest": graph.digest()}
            canary = leak_canary(snapshot, cut, _graph_digest(week, cut), week.settings.evaluation.seed)
            canaries[cut.name] = canary.as_json()
        artifact = week.write(
            "hetero_graph",
            {"graphs.json": json_bytes(summaries), "canary.json": json_bytes(canaries)},
            inputs=[split],
            sections=("graph",),
        )
        newest = summaries[week.timeline.cuts[-1].name]
        return dg.MaterializeResult(
            metadata={
                "newest_graph": metadata.rows(pd.DataFrame(newest.items(), columns=["fact", "value"])),
                "all_cutoffs": metadata.rows(pd.DataFrame(summaries).T.rename_axis("cut").reset_index()),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [temporal_split, hetero_graph]


def _graph_digest(week: Week, cut: Cut) -> Callable[[Snapshot], str]:
    """What the canary watches: the graph as this asset builds it, the cut at the cutoff included."""
    from gnn_core.graph.hetero import build_graph

    return lambda whole: build_graph(whole.before(cut.fitted_before), week.settings.graph).digest()
