"""What the evaluation report is made of: plain values, gathered by whoever ran the week.

What belongs here: the input of the report, and its JSON form. What does not: wording and looks (report.py, templates/).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gnn_core.errors import DataError
from gnn_core.evaluation.bootstrap import Lift
from gnn_core.evaluation.canary import CanaryResult
from gnn_core.evaluation.comparison import Comparison, Diversity
from gnn_core.evaluation.gate import GateVerdict
from gnn_core.evaluation.panel import CutFacts
from gnn_core.evaluation.selection import Selection

SCHEMA_VERSION = 1
"""Of report.json; raised when a key changes its meaning."""


@dataclass(frozen=True)
class Dropped:
    """Rows that did not make it from a source table into a contract table."""

    table: str
    reason: str
    rows: int


@dataclass(frozen=True)
class TrainingStep:
    """One point of the training curve."""

    step: int
    loss: float | None
    validation_recall_at_10: float | None


@dataclass(frozen=True)
class ReportData:
    """Everything that the report shows."""

    store: str
    as_of: str
    """Date up to which data are known, exclusive."""
    pipeline_version: str
    verdicts: Mapping[str, GateVerdict]
    """Gate 1 by model name; holds at least the candidate's."""
    selection: Selection
    comparison: Comparison
    """On the held-out test window(s)."""
    against_smoother: Mapping[str, Lift]
    """Recall@10 of graph and hybrid relative to the smoother, on the test window(s)."""
    diversity: tuple[Diversity, ...]
    facts: tuple[CutFacts, ...]
    """Of the test cuts."""
    training: tuple[TrainingStep, ...]
    best_step: int
    canary: CanaryResult | None
    """None when no canary was run, which the report says."""
    users_by_tier: Mapping[str, int]
    """All users with a vehicle, by tier as of the test cutoff."""
    products: int
    eligible_products: int
    served_share: float
    """Share of the users who would get a promoted policy (the setting serving.hybrid_share)."""
    drops: tuple[Dropped, ...]
    stand_ins: tuple[str, ...]
    provenance: Mapping[str, str]
    """Label → value: hashes of inputs, configuration and code, cutoffs."""

    def __post_init__(self) -> None:
        if self.selection.candidate not in self.verdicts:
            raise DataError(
                f"the report has no verdict on the candidate {self.selection.candidate!r}, "
                f"only on {sorted(self.verdicts)}"
            )

    @property
    def decision(self) -> GateVerdict:
        """The verdict on the candidate: the one that decides what is promoted."""
        return self.verdicts[self.selection.candidate]

    @property
    def users(self) -> int:
        """All users with a vehicle."""
        return sum(self.users_by_tier.values())


def report_json(data: ReportData) -> dict[str, Any]:
    """The content of report.json: every figure of the report, no wording of its own; NaN and infinity become null."""
    content = {f.name: _plain(getattr(data, f.name)) for f in dataclasses.fields(data) if f.name != "comparison"}
    figures = data.comparison.table.to_dict("records")
    return {
        "schema_version": SCHEMA_VERSION,
        "decision": _plain(data.decision),
        **content,
        "baseline": data.comparison.baseline,
        "figures": _plain(figures),
    }


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
