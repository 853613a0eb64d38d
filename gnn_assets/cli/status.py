"""`gnn status`: what is served, what the gate said; from the live table and the newest artifacts, not from memory."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from gnn_assets.environment import Environment
from gnn_core.config import Settings
from gnn_core.errors import ArtifactError
from gnn_core.io.artifacts import Artifact, ArtifactStore
from gnn_core.program.status import program_status
from gnn_core.publishing.state import live_state


def status() -> dict[str, Any]:
    """Everything that `gnn status --json` prints; a part that does not exist yet is null."""
    where = Environment.from_variables()
    settings = where.settings()
    warehouse = where.warehouse(settings, "reader")
    live = live_state(warehouse, settings)
    store = where.artifacts(settings)
    passed_over: list[str] = []
    report = _newest(store, "eval_report", passed_over)
    decision = _newest(store, "promoted_model", passed_over)
    judged = report.json("report.json") if report else {}
    decided = decision.json("decision.json") if decision else {}
    return {
        "environment": where.name,
        "store": settings.store.name,
        "warehouse": f"{settings.warehouse.engine}:{where.state_dir / 'warehouse.duckdb'}"
        if settings.warehouse.engine == "duckdb"
        else f"{settings.warehouse.engine}:{settings.warehouse.project}",
        "week": report.manifest.week if report else None,
        "published": None
        if live is None
        else {
            "table": str(live.table),
            "run_id": live.run_id,
            "users": live.users,
            "rows": live.rows,
            "digest": live.digest,
            "source": live.source,
        },
        "gates": {
            "gate1": _gate(judged.get("verdicts", {}).get("graph")),
            "gate1_candidate": _gate(judged.get("decision")),
        },
        "program": _program(store, settings, passed_over),
        "alpha": judged["selection"]["alpha"] if judged else None,
        "baseline": judged.get("baseline"),
        "promoted": decided or None,
        "report": f"{report.path}/report.html" if report else None,
        "passed_over": passed_over,
    }


def show(found: dict[str, Any], console: Console) -> None:
    """The same for a person."""
    table = Table(show_header=False, title="Status", title_justify="left", pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    published = found["published"]
    table.add_row("store", f"{found['store']} ({found['environment']})")
    table.add_row("warehouse", found["warehouse"])
    table.add_row("week", found["week"] or "none yet")
    if published:
        table.add_row("published", f"{published['table']}: {published['users']:,} users, {published['rows']:,} slots")
        table.add_row("source", published["source"])
        table.add_row("run", f"{published['run_id']}, digest {published['digest'][:16]}")
    else:
        table.add_row("published", "nothing yet; `gnn run` publishes")
    for name, label in (("gate1", "gate 1, graph model"), ("gate1_candidate", "gate 1, candidate")):
        gate = found["gates"][name]
        if gate:
            table.add_row(label, f"{gate['verdict'].upper()}: {gate['reason']}")
    program = found["program"]
    if program:
        table.add_row("phase", program["phase"])
        for gate in program["gates"][2:]:
            table.add_row(gate["name"], f"{gate['verdict'].upper()} as of {gate['as_of']}: {gate['reason']}")
        table.add_row("rollout", f"{program['rollout']['share']:.0%}. {program['rollout']['reason']}")
        table.add_row("next decision", program["next_decision"])
        for stop in program["stops"]:
            if stop["applies"]:
                table.add_row("reason to stop", f"{stop['signal']}: {stop['action']} {stop['why']}")
        if program["wait_for_data"]:
            table.add_row("more data", program["wait_for_data"])
    if found["alpha"] is not None:
        table.add_row("α", f"{found['alpha']} (share of SQL in the hybrid's score; baseline {found['baseline']})")
    if found["promoted"]:
        table.add_row("decision", found["promoted"]["reason"])
    for reason in found["passed_over"]:
        table.add_row("not shown", reason)
    console.print(table)
    if found["report"]:
        # Outside the table, on one line of its own: it is there to be copied.
        console.print(f"Report: {found['report']}", soft_wrap=True, highlight=False)


def _gate(verdict: dict[str, Any] | None) -> dict[str, Any] | None:
    """The part of a verdict that a program asks for first."""
    if verdict is None:
        return None
    return {
        "model": verdict["model"],
        "verdict": verdict["verdict"],
        "lift": verdict["lift"],
        "interval": [verdict["low"], verdict["high"]],
        "threshold": verdict["threshold"],
        "certified": verdict["certified"],
        "reason": verdict["reason"],
    }


def _program(store: ArtifactStore, settings: Settings, passed_over: list[str]) -> dict[str, Any] | None:
    """Where the program stands, from the newest artifact of each part; None before a week was run whole."""
    names = ("eval_report", "promoted_model", "experiment_readout", "rollout_stage", "serving_metrics", "cost_ledger")
    found = {name: _newest(store, name, passed_over) for name in names}
    report, promoted = found["eval_report"], found["promoted_model"]
    readout, stage = found["experiment_readout"], found["rollout_stage"]
    metrics, cost = found["serving_metrics"], found["cost_ledger"]
    if report is None or promoted is None or readout is None or stage is None or metrics is None:
        return None
    decision = promoted.json("decision.json")
    status = program_status(
        as_of=report.manifest.week,
        report=report.json("report.json"),
        promoted=decision["promoted"],
        policy=decision["policy"],
        readout=readout.json("readout.json"),
        stage=stage.json("stage.json"),
        cost=cost.json("month.json") if cost else None,
        cold_share=metrics.json("metrics.json")["cold_share"],
        settings=settings,
    ).as_json()
    return {**status, "rollout": stage.json("stage.json")}


def _newest(store: ArtifactStore, name: str, passed_over: list[str]) -> Artifact | None:
    """The artifact of the newest week that has it with the present settings; None when no week has.

    `passed_over` gets the reason of every newer one that cannot be read: made with other settings, or damaged.
    """
    for week in reversed(store.weeks()):
        if store.exists(week, name):
            try:
                return store.read(week, name)
            except ArtifactError as error:
                # Not what would be served now, and the next run replaces it; but what is live may come from it.
                passed_over.append(str(error))
    return None
