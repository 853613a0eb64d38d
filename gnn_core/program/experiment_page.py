"""The page of an experiment: gate 2's answer first, then what it rests on.

What belongs here: order, wording and drawing of the readout. What does not: any figure (experiment/readout.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gnn_core.evaluation.gate import PASS
from gnn_core.program.pages import MARKS, bars, render

_NEXT = {
    "pass": "The rollout may start: a tenth of the users first, each step behind its guards.",
    "fail": "Evaluate product similarity alone (2B); if that fails too, stop and write down what was learned.",
    "inconclusive": "Run a larger experiment under a new name, or stop.",
}


def render_experiment(readout: Mapping[str, Any], store: str) -> str:
    """The readout (`readout.json` of experiment_readout) as one self-contained HTML page.

    A state other than `read` is a page of one sentence.
    """
    if readout["state"] != "read":
        return render("experiment.html.j2", readout=readout, store=store, read=False)
    verdict = readout["verdict"]
    word, mark = MARKS[verdict["verdict"]]
    judged = [] if verdict["invalid"] else [verdict]
    drawn, axis = bars(judged, verdict["threshold"])
    return render(
        "experiment.html.j2",
        readout=readout,
        store=store,
        read=True,
        verdict=verdict,
        word=word,
        mark=mark,
        title=_title(verdict),
        following=_next(verdict),
        bar=drawn[0] if drawn else None,
        axis=axis,
        everyone=_metrics(readout["metrics"], "all"),
        tiers={tier: _metrics(readout["metrics"], tier)[:1] for tier in readout["tiers"]},
        looks=_looks(readout["looks"], verdict["threshold"]),
        left_out={
            table: [(what, rows) for what, rows in sorted(counts.items(), key=lambda item: -item[1]) if rows]
            for table, counts in readout["left_out"].items()
        },
    )


def _title(verdict: Mapping[str, Any]) -> str:
    if verdict["invalid"]:
        return "The arms cannot be compared, so there is no answer."
    if verdict["verdict"] == PASS:
        return "More customers click under treatment, by enough."
    if verdict["verdict"] == "fail":
        return "Treatment is not better than control by enough, or it harms."
    return "The experiment does not decide." if verdict["final"] else "The experiment is not over yet."


def _next(verdict: Mapping[str, Any]) -> str:
    if verdict["invalid"]:
        return "Correct what made the arms differ, and start again under a new name and salt."
    if not verdict["final"]:
        return "Read it again at the planned end; nothing passes before."
    return _NEXT[verdict["verdict"]]


def _metrics(metrics: Sequence[Mapping[str, Any]], tier: str) -> list[dict[str, Any]]:
    """Rows of a forest plot: each metric of these users, on one axis."""
    mine = [m for m in metrics if m["tier"] == tier]
    lifts = [_lift(m["lift"]) for m in mine]
    drawn, _ = bars(lifts, None)
    return [{**m, **lift, "bar": bar} for m, lift, bar in zip(mine, lifts, drawn, strict=True)]


def _looks(looks: Sequence[Mapping[str, Any]], threshold: float) -> dict[str, Any]:
    """What each day before the planned end would have said, on one axis."""
    lifts = [_lift(look["lift"]) for look in looks]
    drawn, axis = bars(lifts, threshold)
    rows = [{**look, **lift, "bar": bar} for look, lift, bar in zip(looks, lifts, drawn, strict=True)]
    return {"rows": rows, "axis": axis}


def _lift(lift: Mapping[str, Any]) -> dict[str, Any]:
    """A ratio's lift in the names of `pages.bars`; an interval without lower end is not drawn."""
    return {"lift": lift["estimate"], "low": lift["low"], "high": lift["high"]}
