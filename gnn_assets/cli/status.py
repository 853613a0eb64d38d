"""`gnn status`: what is served, what the gate said; from the live table and the newest artifacts, not from memory."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from gnn_assets.environment import Environment
from gnn_assets.program import Program, gather, newest
from gnn_core.io.artifacts import Artifact
from gnn_core.publishing.state import live_state

PAGES = {
    "Report": ("eval_report", "report.html"),
    "Experiment": ("experiment_readout", "readout.html"),
    "Shadow": ("shadow_comparison", "shadow.html"),
    "Program": ("program_status", "status.html"),
    "Learnings": ("program_status", "learnings.md"),
}
"""Name → artifact and file; a file that a week did not write is not named."""


def status() -> dict[str, Any]:
    """Everything that `gnn status --json` prints; a part that does not exist yet is null."""
    where = Environment.from_variables()
    settings = where.settings()
    warehouse = where.warehouse(settings, "reader")
    live = live_state(warehouse, settings)
    store = where.artifacts(settings)
    passed_over: list[str] = []
    report = newest(store, "eval_report", passed_over)
    decision = newest(store, "promoted_model", passed_over)
    program = gather(store, settings, passed_over)
    page = newest(store, "program_status", passed_over)
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
        "program": None
        if program is None
        else {**program.status.as_json(), "rollout": program.json("rollout_stage", "stage.json")},
        "alpha": judged["selection"]["alpha"] if judged else None,
        "baseline": judged.get("baseline"),
        "promoted": decided or None,
        "report": f"{report.path}/report.html" if report else None,
        "pages": _pages(program, page),
        "passed_over": list(dict.fromkeys(passed_over)),
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
        table.add_row("served", program["served"])
        for gate in program["gates"][2:]:
            table.add_row(gate["name"], f"{gate['verdict'].upper()} as of {gate['as_of']}: {gate['reason']}")
        table.add_row("rollout", f"{program['rollout']['share']:.0%}. {program['rollout']['reason']}")
        table.add_row("next decision", program["next_decision"])
        for stop in program["stops"]:
            if stop["applies"]:
                table.add_row("reason to stop", f"{stop['signal']}: {stop['action']} {stop['why']}")
        table.add_row("cold users", program["cold"])
    if found["alpha"] is not None:
        table.add_row("α", f"{found['alpha']} (share of SQL in the hybrid's score; baseline {found['baseline']})")
    if found["promoted"]:
        table.add_row("decision", found["promoted"]["reason"])
    for reason in found["passed_over"]:
        table.add_row("not shown", reason)
    console.print(table)
    # Outside the table, each on one line of its own: they are there to be copied.
    for name, address in found["pages"].items():
        console.print(f"{name}: {address}", soft_wrap=True, highlight=False, markup=False)


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


def _pages(program: Program | None, page: Artifact | None) -> dict[str, str]:
    """Addresses of what is there to be read by a person, by name."""
    parts = dict(program.parts) if program else {}
    if page is not None:
        parts["program_status"] = page
    return {
        name: f"{parts[artifact].path}/{file}"
        for name, (artifact, file) in PAGES.items()
        if artifact in parts and file in parts[artifact].manifest.files
    }
