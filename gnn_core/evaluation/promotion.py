"""What follows from the gate: which policy the as-of refit serves. A pass promotes the candidate; anything else is SQL.

What belongs here: the decision and its sentence. What does not: the verdict (gate.py), who is served (scoring).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gnn_core.evaluation.gate import FAIL, GateVerdict
from gnn_core.evaluation.names import phrase
from gnn_core.evaluation.selection import Selection


@dataclass(frozen=True)
class Decision:
    """Which policy is published from now on, and why."""

    policy: str
    """`hybrid`, `smoother`, or the name of the SQL version that was the baseline."""
    promoted: bool
    """Whether the candidate passed; False = SQL goes on."""
    alpha: float | None
    """α of the hybrid; null for the others."""
    reason: str

    @property
    def needs_graph(self) -> bool:
        """Whether a graph model has to be refitted at the as-of date: not at α = 1, where SQL alone decides."""
        return self.policy == "hybrid" and self.alpha is not None and self.alpha < 1

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Decision:
        """The decision that `as_json` wrote."""
        return cls(**values)


def decide(selection: Selection, verdict: GateVerdict) -> Decision:
    """Promote the candidate that validation chose if, and only if, gate 1 passed it.

    Args:
        selection: frozen on validation; names the candidate and the baseline.
        verdict: gate 1 on the candidate.
    """
    candidate = phrase(selection.candidate)
    if verdict.passed:
        return Decision(
            policy=selection.candidate,
            promoted=True,
            alpha=selection.alpha if selection.candidate == "hybrid" else None,
            reason=f"{candidate[:1].upper()}{candidate[1:]} passed gate 1 and is promoted.",
        )
    follow_up = (
        "Write down what was learned; product similarity from the embeddings remains as a fallback (phase 2B)."
        if verdict.verdict == FAIL
        else "More data or a longer window may decide."
    )
    return Decision(
        policy=selection.baseline,
        promoted=False,
        alpha=None,
        reason=f"Gate 1 says {verdict.verdict} to {candidate}, so {phrase(selection.baseline)} is published. "
        + follow_up,
    )
