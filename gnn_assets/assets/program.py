"""program_status: where the program stands, as data, as a page, and, where something has ended, as learnings."""

import dagster as dg
import pandas as pd

from gnn_assets import metadata
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.program import BESIDE, NEEDED, Program, gather
from gnn_assets.resources import Platform, Week
from gnn_core.experiment.rollout_ledger import read_moves
from gnn_core.io.artifacts import json_bytes
from gnn_core.monitoring.weekly import weekly_findings
from gnn_core.program.learnings import learnings
from gnn_core.program.status_page import StatusPage, render_status

PAGES = (
    ("Evaluation report", "eval_report", "report.html"),
    ("Experiment", "experiment_readout", "readout.html"),
    ("Shadow comparison", "shadow_comparison", "shadow.html"),
)
"""What the page points to: name, artifact, file."""


def program_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """program_status."""

    @dg.asset(
        partitions_def=weekly,
        group_name="monitoring",
        deps=[*NEEDED, *BESIDE],
        kinds={"python"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="2",
    )
    def program_status(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Phase, gates with verdict and interval, who is served what, the next decision, and the reasons to stop.

        Read from the newest artifact of each part up to this week; as data, as one HTML page, and, where a gate has
        failed or a reason to stop applies, with a document of what was learned.
        """
        week = platform.week(context)
        passed_over: list[str] = []
        program = gather(week.store, week.settings, passed_over, week.key)
        if program is None:
            state = {"state": "no week was run whole yet"}
            artifact = week.write("program_status", {"status.json": json_bytes(state)})
            return dg.MaterializeResult(metadata={**state, **metadata.artifact(artifact)})
        status = program.status
        page = _page(week, program)
        # Parts of several weeks need not be made of one another, so that they are named here and are no lineage.
        made_from = {name: f"{part.key} {part.version}" for name, part in sorted(program.parts.items())}
        content = status.as_json() | {"made_from": made_from}
        files = {"status.json": json_bytes(content), "status.html": render_status(page).encode()}
        if status.has_learnings:
            files["learnings.md"] = learnings(page).encode()
        artifact = week.write("program_status", files)
        return dg.MaterializeResult(
            metadata={
                "phase": status.phase,
                "served": status.served,
                "next_decision": status.next_decision,
                "cold": status.cold,
                "gates": metadata.rows(pd.DataFrame([vars(g) for g in status.gates])),
                "reasons_to_stop": metadata.rows(pd.DataFrame([vars(s) for s in status.stops])),
                "page": dg.MetadataValue.path(f"{artifact.path}/status.html"),
                "passed_over": " ".join(passed_over) or "nothing",
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [program_status]


def _page(week: Week, program: Program) -> StatusPage:
    """Everything that the page and the learnings show."""
    metrics = program.json("serving_metrics", "metrics.json")
    settings = week.settings
    return StatusPage(
        store=settings.store.name,
        as_of=str(program.as_of),
        status=program.status,
        report=program.json("eval_report", "report.json"),
        readout=program.json("experiment_readout", "readout.json"),
        shadow=program.json("shadow_comparison", "shadow.json"),
        moves=tuple(read_moves(week.warehouse, settings)),
        guards=tuple(program.json("rollout_stage", "stage.json")["guards"]),
        findings=tuple(weekly_findings(metrics, settings.monitoring).values()),
        embedding_drift=program.json("embedding_drift", "drift.json"),
        input_drift=program.json("input_drift", "drift.json"),
        cost=program.json("cost_ledger", "month.json"),
        budget_usd=settings.cost.monthly_budget_usd,
        stand_ins=settings.store.stand_ins,
        # From the page's own folder, so that a copied tree and a bucket keep them.
        links={
            name: f"../../../{part.manifest.week}/{part.manifest.name}/{part.version}/{file}"
            for name, artifact, file in PAGES
            if (part := program.parts.get(artifact)) is not None and file in part.manifest.files
        },
        provenance={name: f"{a.manifest.week}, {a.version[:16]}" for name, a in sorted(program.parts.items())},
    )
