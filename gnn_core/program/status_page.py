"""The page of the owner: where the program stands, what it said and cost, and what is decided next.

What belongs here: order and wording of that page. What does not: any figure (each from its artifact), the state itself
(status.py), what was learned when something ended (learnings.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gnn_core.evaluation.gate import percent, signed_percent
from gnn_core.experiment.rollout import Move
from gnn_core.monitoring.embeddings import COMPARED
from gnn_core.monitoring.weekly import NOT_APPLICABLE, WARN, Finding
from gnn_core.program.pages import MARKS, bars, render
from gnn_core.program.status import ProgramStatus

_MOST_ASSETS = 8
"""Assets of the cost table that stand for themselves; the others are one row."""
_MARK = {"ok": "✓", WARN: "!", NOT_APPLICABLE: "–"}
_GUARD = {"green": ("✓", "pass"), "red": ("✕", "fail"), "no data": ("?", "inconclusive")}


@dataclass(frozen=True)
class StatusPage:
    """Everything that the page shows; None where no week has it."""

    store: str
    as_of: str
    status: ProgramStatus
    report: Mapping[str, Any]
    readout: Mapping[str, Any]
    shadow: Mapping[str, Any] | None
    moves: Sequence[Move]
    guards: Sequence[Mapping[str, Any]]
    """Of the rollout's last reading: name, state, sentence."""
    findings: Sequence[Finding]
    embedding_drift: Mapping[str, Any] | None
    input_drift: Mapping[str, Any] | None
    cost: Mapping[str, Any] | None
    budget_usd: float
    stand_ins: Sequence[str]
    links: Mapping[str, str]
    provenance: Mapping[str, str]


def render_status(page: StatusPage) -> str:
    """The program status as one self-contained HTML page."""
    status = page.status
    gates = [_gate(gate) for gate in status.gates]
    return render(
        "status.html.j2",
        page=page,
        status=status,
        gates=gates,
        style="fail" if any(s.applies for s in status.stops) else "pass" if status.served_share > 0 else "inconclusive",
        guards=[{**g, "mark": _GUARD[g["state"]][0], "style": _GUARD[g["state"]][1]} for g in page.guards],
        findings=[{**vars(f), "mark": _MARK[f.state], "sentence": _bare(f.sentence)} for f in page.findings],
        drift=_drift(page),
        assets=_assets(page.cost),
    )


def _bare(sentence: str) -> str:
    """Without the state that stands beside it."""
    bare = sentence.removeprefix("Not applicable: ")
    return bare[:1].upper() + bare[1:]


def _gate(gate: Any) -> dict[str, Any]:
    word, mark = MARKS.get(gate.verdict, ("Not judged yet", "·"))
    drawn, axis = bars([vars(gate)], gate.threshold) if gate.lift is not None else ([None], None)
    return {**vars(gate), "word": word, "mark": mark, "bar": drawn[0], "axis": axis}


def _drift(page: StatusPage) -> list[str]:
    """What both drifts say, in sentences."""
    found = []
    vectors, inputs = page.embedding_drift, page.input_drift
    if vectors is None:
        found.append("Embedding drift was not measured.")
    elif vectors["state"] != COMPARED:
        found.append(f"Embedding drift: {vectors['state']}.")
    else:
        limits = vectors["limits"]
        found.append(
            f"Vectors are compared with {vectors['reference']}, which did not know "
            f"{percent(vectors['new_evidence'])} of the events of today. So far apart, a cosine of "
            f"{limits['min_cosine']:.3f}, {percent(limits['min_overlap'])} of the neighbours and a change of the "
            f"median norm by {signed_percent(limits['max_norm_ratio'] - 1)} are allowed in each part."
        )
        for part in vectors["parts"]:
            if (d := part["drift"]) is None:
                continue
            which = (
                f"mean cosine after the best rotation {d['aligned_cosine']:.3f}, "
                f"{percent(d['neighbour_overlap'])} of the nearest neighbours kept"
                if part["steadiest"] is None
                else f"correlation of its steadiest number with what it was {part['steadiest']:.3f}"
            )
            found.append(
                f"Vectors of {part['kind']}, {part['block']}: median norm {signed_percent(d['norm_change'])}, {which}."
            )
        found += [f"Weighed otherwise. {sentence}" for sentence in vectors["changes"]]
        found += [f"Limit broken. {sentence}" for sentence in vectors["breaks"]]
    if inputs is None:
        found.append("Input drift was not measured.")
    else:
        found += [i["sentence"] for i in inputs["inputs"]] or ["Input drift: no week to compare with yet."]
    return found


def _assets(cost: Mapping[str, Any] | None) -> list[tuple[str, float]]:
    if cost is None:
        return []
    ordered = sorted(cost["by_asset"].items(), key=lambda item: -item[1])
    rest = sum(usd for _, usd in ordered[_MOST_ASSETS:])
    more = [(f"{len(ordered) - _MOST_ASSETS} others", rest)] if len(ordered) > _MOST_ASSETS else []
    return [*ordered[:_MOST_ASSETS], *more]
