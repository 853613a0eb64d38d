"""What the program's pages show, put together from made-up artifacts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from typing import Any

import numpy as np

from gnn_core.evaluation.report_data import report_json
from gnn_core.experiment.power import plan_experiment
from gnn_core.experiment.readout import read_experiment
from gnn_core.experiment.rollout import Guard, Move
from gnn_core.monitoring.weekly import weekly_findings
from gnn_core.program.status import program_status
from gnn_core.program.status_page import StatusPage
from tests.core.evaluation import made_up
from tests.core.experiment.experiment_world import ALL, BASE, outcomes_of, settings, window
from tests.core.monitoring.test_weekly_findings import GOOD

REPORT = json.loads(json.dumps(report_json(made_up.report_data())))
AT = dt.datetime(2026, 3, 23, tzinfo=dt.UTC)
COST: dict[str, Any] = {
    "month": "2026-03", "usd": 41.5, "state": "within budget", "sentence": "41.50 USD of 800 USD in 2026-03.",
    "by_asset": {f"asset_{i}": 10.0 / (i + 1) for i in reversed(range(12))}, "by_kind": {"cpu": 30.0, "query": 11.5},
    "months": {"2026-02": 33.0, "2026-03": 41.5}, "billing": "DuckDB bills no query: bytes billed are 0.",
}  # fmt: skip


def readout(clickers: tuple[int, int], users: tuple[int, int] = (20_000, 20_000)) -> dict[str, Any]:
    """`readout.json` of an experiment at its planned end with so many clickers (control, treatment)."""
    days = tuple(np.arange(n) % 14 for n in clickers)
    outcomes = outcomes_of(users, clickers, (40, 41), (40_000, 40_000), (4_000, 4_100), click_days=days)
    plan = plan_experiment(0.02, 14, *users, settings())
    read = read_experiment(outcomes, window(), BASE, eta=plan.eta)
    content = {
        "state": "read", "experiment": "hybrid-1", "as_of": "2026-03-18", "plan": plan.as_json(), **read.as_json(),
    }  # fmt: skip
    return dict(json.loads(json.dumps(content)))


def page(clickers: tuple[int, int] = (400, 800), **changes: Any) -> StatusPage:
    """A program in its rollout, unless changed; `share` is where the rollout stands."""
    read = readout(clickers)
    share = changes.pop("share", 0.1)
    stage = {"share": share, "from_ledger": True, "needs_decision": False, "reason": "why it moved"}
    cost = changes.pop("cost", COST)
    moves = [Move(1, AT, "start", 1.0, 0.1, "Ada", "gate 2 passed")]
    if share == 0:
        red = Guard("clicks", "red", "Customers click less.")
        moves.append(Move(2, AT, "rollback", 0.1, 0.0, "platform", "Rolled back to SQL: Customers click less.", (red,)))
    store = dataclasses.replace(ALL.store, name="made up <b>")
    status = program_status(
        as_of="2026-03-02", report=REPORT, promoted=True, policy="hybrid", readout=read, stage=stage, cost=cost,
        cold_share=changes.pop("cold", 0.98), settings=dataclasses.replace(ALL, store=store),
    )  # fmt: skip
    made = StatusPage(
        store=store.name, as_of="2026-03-23", status=status, report=REPORT, readout=read, shadow=None, moves=moves,
        guards=[{"name": "clicks", "state": "no data", "sentence": "The sample does not see a loss of 20% yet."}],
        findings=tuple(weekly_findings(GOOD, ALL.monitoring).values()), embedding_drift=None, input_drift=None,
        cost=cost, budget_usd=800.0, stand_ins=(), links={"Experiment": "../x/readout.html"},
        provenance={"eval_report": "2026-02-23, abc"},
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def text(html: str) -> str:
    """What a reader sees: no markup, no style sheet."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.S))
