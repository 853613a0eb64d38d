"""What was learned when something ended, as Markdown: what was tried, the figures, the cost, and what follows.

What belongs here: which figures such a document holds, and its words. What does not: whether one is due (status.py),
the figures themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gnn_core.evaluation.gate import percent, signed_percent
from gnn_core.evaluation.names import label, phrase
from gnn_core.program.pages import count, rate, usd
from gnn_core.program.status_page import StatusPage


def learnings(page: StatusPage) -> str:
    """The document, complete in itself."""
    status = page.status
    lit = [s for s in status.stops if s.applies]
    parts = [
        f"# What was learned: {page.store}, as of {page.as_of}",
        "\n".join(
            [
                f"Phase: {status.phase}. Served: {status.served}.",
                "",
                *(f"- **{s.signal}.** {s.why} What follows: {s.action}" for s in lit),
                *(f"- **{g.name} failed.** {g.reason}" for g in status.gates if g.verdict == "fail"),
            ]
        ),
        "## What was tried",
        _tried(page.report),
        "## Offline",
        _offline(page.report),
        "## Experiment",
        _experiment(page.readout),
    ]
    if page.shadow is not None and page.shadow["state"] == "compared":
        parts += ["## What would have been served", _shadow(page.shadow)]
    if page.moves:
        parts += ["## Rollout", _table(
            ("when", "move", "share", "by", "why"),
            ((f"{m.at:%Y-%m-%d}", m.action, f"{percent(m.from_share)} → {percent(m.to_share)}", m.by, m.reason)
             for m in page.moves),
        )]  # fmt: skip
    parts += ["## Cost", _cost(page.cost), "## What is decided next", status.next_decision, status.cold]
    if page.stand_ins:
        parts += ["## Not real in this store", "\n".join(f"- {phrase}" for phrase in page.stand_ins)]
    made = (f"- {name}: {value}" for name, value in page.provenance.items())
    parts += ["## Where the figures come from", "\n".join(made)]
    return "\n\n".join(parts) + "\n"


def _tried(report: Mapping[str, Any]) -> str:
    chosen = report["selection"]
    return (
        f"The graph model and {label(chosen['candidate'])} as the policy to serve, against "
        f"{label(report['baseline'])}, the stronger of the SQL versions. {chosen['reason']}"
    )


def _offline(report: Mapping[str, Any]) -> str:
    # The policy that would be served is one of them.
    verdicts = [f"- {label(name)}: {v['verdict']}. {v['reason']}" for name, v in report["verdicts"].items()]
    rows = [f for f in report["figures"] if (f["stage"], f["group"], f["metric"]) == ("before", "all", "recall_10")]
    table = _table(
        ("model", "Recall@10", "change against the baseline", "interval"),
        ((label(f["model"]), rate(f["mean"]), signed_percent(f["lift"]), _interval(f["low"], f["high"])) for f in rows),
    )
    return "\n".join(verdicts) + "\n\n" + table


def _experiment(readout: Mapping[str, Any]) -> str:
    if readout["state"] != "read":
        return f"None was read: {readout['state']}."
    verdict = readout["verdict"]
    rows = [m for m in readout["metrics"] if m["tier"] == "all"]
    table = _table(
        ("metric", "role", "control", "treatment", "change", "interval"),
        ((m["name"], m["role"], rate(m["control"]), rate(m["treatment"]), signed_percent(m["lift"]["estimate"]),
          _interval(m["lift"]["low"], m["lift"]["high"])) for m in rows),
    )  # fmt: skip
    return (
        f"{readout['experiment']}, read as of {readout['as_of']}: {verdict['verdict']}. {verdict['reason']}\n\n"
        f"{table}\n\nPlan: {readout['plan']['reason']} {readout['ratio']['sentence']}"
    )


def _shadow(shadow: Mapping[str, Any]) -> str:
    return (
        f"Of {count(shadow['users_both'])} users, {percent(shadow['overlap'])} of the products in the lists of "
        f"{phrase(shadow['baseline'])} stand in those of {phrase(shadow['policy'])} too; the mean price goes from "
        f"{shadow['price_served']:.2f} to {shadow['price_shadow']:.2f} USD, and {count(shadow['products_shadow'])} "
        f"different products are shown instead of {count(shadow['products_served'])}."
    )


def _cost(cost: Mapping[str, Any] | None) -> str:
    if cost is None:
        return "Cost was not measured."
    dearest = sorted(cost["by_asset"].items(), key=lambda item: -item[1])
    months = _table(("month", "USD"), ((m, usd(v)) for m, v in cost["months"].items()))
    assets = _table(("asset", "USD this month"), ((a, usd(v)) for a, v in dearest[:10]))
    return f"{cost['sentence']} {cost['billing']}\n\n{months}\n\n{assets}"


def _interval(low: float | None, high: float | None) -> str:
    if low is None:
        return "none"
    return f"[{signed_percent(low)}, {'no upper limit' if high is None else signed_percent(high)}]"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(str(c).replace('|', '/') for c in row)} |" for row in rows)])
