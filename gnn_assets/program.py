"""The program's state from the newest artifact of each part: what the asset writes and the command prints is one thing.

What belongs here: which artifacts are read, and up to when. What does not: what they mean (gnn_core/program).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from gnn_assets.partitions import as_of
from gnn_core.config import Settings
from gnn_core.errors import ArtifactError
from gnn_core.io.artifacts import Artifact, ArtifactStore
from gnn_core.program.status import ProgramStatus, program_status

NEEDED = ("eval_report", "promoted_model", "experiment_readout", "rollout_stage", "serving_metrics")
"""Without one of these no week was run whole."""
BESIDE = ("cost_ledger", "shadow_comparison", "embedding_drift", "input_drift")


@dataclass(frozen=True)
class Program:
    """The state, and the artifacts it was read from by name."""

    status: ProgramStatus
    parts: dict[str, Artifact]
    as_of: dt.date

    def json(self, name: str, file: str) -> Any:
        """Content of a part; None where no week has it."""
        return self.parts[name].json(file) if name in self.parts else None


def gather(store: ArtifactStore, settings: Settings, passed_over: list[str], upto: str | None = None) -> Program | None:
    """Where the program stands; None before a week was run whole.

    Args:
        passed_over: gets the reason of every artifact that cannot be read.
        upto: Monday of the last week to look at; None = all of them.
    """
    found = {name: newest(store, name, passed_over, upto) for name in (*NEEDED, *BESIDE)}
    parts = {name: artifact for name, artifact in found.items() if artifact is not None}
    if any(name not in parts for name in NEEDED):
        return None
    report, stage = parts["eval_report"], parts["rollout_stage"]
    decision = parts["promoted_model"].json("decision.json")
    cost = parts["cost_ledger"].json("month.json") if "cost_ledger" in parts else None
    status = program_status(
        as_of=str(as_of(report.manifest.week)),
        report=report.json("report.json"),
        promoted=decision["promoted"],
        policy=decision["policy"],
        readout=parts["experiment_readout"].json("readout.json"),
        stage=stage.json("stage.json"),
        cost=cost,
        cold_share=float(parts["serving_metrics"].json("metrics.json")["cold_share"]),
        settings=settings,
    )
    return Program(status, parts, as_of(stage.manifest.week))


def newest(store: ArtifactStore, name: str, passed_over: list[str], upto: str | None = None) -> Artifact | None:
    """The artifact of the newest week that has it with the present settings; None when no week has.

    `passed_over` gets the reason of every newer one that cannot be read: made with other settings, or damaged.
    """
    for week in reversed(store.weeks()):
        if (upto is None or week <= upto) and week[:1].isdigit() and store.exists(week, name):
            try:
                return store.read(week, name)
            except ArtifactError as error:
                # Not what would be served now, and the next run replaces it; but what is live may come from it.
                passed_over.append(str(error))
    return None
