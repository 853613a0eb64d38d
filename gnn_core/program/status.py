"""Where the program stands: phase, gates, who is served what, what is decided next, and which reasons to stop apply.

What belongs here: the reading of what the artifacts say, put together. What does not: any figure (each from its own
artifact), any page (the assets and the command show it).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gnn_core.config import Settings
from gnn_core.evaluation.gate import FAIL, percent, signed_percent

OFFLINE, EXPERIMENT, ROLLOUT, FALLBACK, SERVED = (
    "1 offline evaluation", "2 experiment", "3 rollout", "2B product similarity", "served to everyone",
)  # fmt: skip


@dataclass(frozen=True)
class GateLine:
    """One gate as it stands."""

    name: str
    verdict: str
    """`pass`, `fail`, `inconclusive`, or `not judged yet`."""
    interval: str
    as_of: str
    reason: str
    lift: float | None = None
    """Estimate, ends and threshold for a drawing; None where the gate was not judged, or is not valid."""
    low: float | None = None
    high: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class StopLine:
    """One row of the table of reasons to stop."""

    signal: str
    action: str
    applies: bool
    why: str


@dataclass(frozen=True)
class ProgramStatus:
    """The page of the owner."""

    phase: str
    gates: tuple[GateLine, ...]
    served_share: float
    served: str
    rollout_reason: str
    """Why the rollout stands where it does."""
    next_decision: str
    cold_share: float
    cold: str
    """What that share means, and what follows from it."""
    wait_for_data: str | None
    """Set when the share of cold users has fallen so far that "wait for more data" has come true."""
    stops: tuple[StopLine, ...]

    @property
    def has_learnings(self) -> bool:
        """Whether something has ended that others should learn from: a reason to stop applies, or a gate has failed."""
        return any(s.applies for s in self.stops) or any(g.verdict == FAIL for g in self.gates)

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def program_status(
    *,
    as_of: str,
    report: Mapping[str, Any],
    promoted: bool,
    policy: str,
    readout: Mapping[str, Any],
    stage: Mapping[str, Any],
    cost: Mapping[str, Any] | None,
    cold_share: float,
    settings: Settings,
) -> ProgramStatus:
    """Put the program's state together.

    Args:
        report: `verdicts` and `decision` of the evaluation report.
        promoted, policy: what the as-of refit serves.
        readout: of the newest experiment; `state` is `read` when there is one.
        stage: of the rollout.
        cost: the month against its budget; None = not measured.
        cold_share: share of the users without any event before the as-of date.
    """
    graph, candidate = report["verdicts"]["graph"], report["decision"]
    read = readout.get("state") == "read"
    gate2 = readout["verdict"] if read else None
    gates = (
        _line("gate 1, graph model", graph, as_of),
        _line("gate 1, policy to serve", candidate, as_of),
        _line("gate 2, experiment", gate2, str(readout.get("as_of", as_of))),
    )
    rolled_back = bool(stage["from_ledger"]) and stage["share"] == 0
    phase, decision = _phase(candidate, gate2, stage, rolled_back, settings)
    share = float(stage["share"]) if promoted else 0.0
    served = (
        f"{policy} to {share:.0%} of the users, SQL to the others"
        if promoted and 0 < share < 1
        else f"{policy if promoted and share == 1 else 'SQL'} to everyone"
    )
    limit = settings.monitoring.cold_share_wait
    by_construction = settings.store.tables == "contract" and cold_share == 0
    waited = not by_construction and cold_share < limit
    return ProgramStatus(
        phase=phase,
        gates=gates,
        served_share=share,
        served=served,
        rollout_reason=str(stage["reason"]),
        next_decision=decision,
        cold_share=cold_share,
        cold=_cold(cold_share, by_construction, report["users_by_tier"], limit),
        wait_for_data=f"{cold_share:.1%} of the users are cold, below {limit:.0%}: the data have become denser by "
        "themselves, and a new offline evaluation may end otherwise."
        if waited
        else None,
        stops=_stops(graph, gate2, rolled_back, str(stage["reason"]), cost),
    )


def _line(name: str, verdict: Mapping[str, Any] | None, as_of: str) -> GateLine:
    if verdict is None:
        return GateLine(name, "not judged yet", "", as_of, "No experiment was read.")
    interval, drawn = "", {}
    if verdict["lift"] is not None and not verdict["invalid"]:
        drawn = {key: verdict[key] for key in ("lift", "low", "high", "threshold")}
        high = "no upper limit" if verdict["high"] is None else signed_percent(verdict["high"])
        interval = f"{signed_percent(verdict['lift'])} [{signed_percent(verdict['low'])}, {high}]"
    return GateLine(name, str(verdict["verdict"]), interval, as_of, str(verdict["reason"]), **drawn)


def _cold(share: float, by_construction: bool, tiers: Mapping[str, int], limit: float) -> str:
    """Cold is no event before the as-of date; what a held-out window calls cold is no event before its cutoff."""
    users = sum(tiers.values())
    held_out = f" At the cutoff of the held-out window {tiers.get('cold', 0) / users:.1%} were." if users else ""
    if by_construction:
        return (
            "Nobody is cold by now, by construction: this data set holds only people who did something, and cold means "
            f"no event before the as-of date.{held_out}"
        )
    follows = f"waiting for more data has come true (below {limit:.0%})" if share < limit else (
        f"below {limit:.0%} it would be worth evaluating anew"
    )  # fmt: skip
    return f"{share:.1%} of the users are cold, with no event before the as-of date; {follows}.{held_out}"


def _phase(
    candidate: Mapping[str, Any],
    gate2: Mapping[str, Any] | None,
    stage: Mapping[str, Any],
    rolled_back: bool,
    settings: Settings,
) -> tuple[str, str]:
    if rolled_back:
        return ROLLOUT, "It was rolled back. Find the gap between offline and online; only a person starts again."
    if stage["from_ledger"]:
        if stage["share"] == 1:
            return SERVED, "None: the guards go on being read."
        words = (
            "A person must step, hold or roll back now." if stage["needs_decision"] else "Its guards decide each week."
        )
        return ROLLOUT, f"The stage after {stage['share']:.0%}. {words}"
    if gate2 is not None and gate2["verdict"] == "pass":
        return EXPERIMENT, "Gate 2 has passed: start the rollout (`gnn rollout start`), or say why not."
    if gate2 is not None and gate2["final"] and gate2["verdict"] == "fail":
        return FALLBACK, "Gate 2 has failed: evaluate product similarity alone (2B); if that fails too, stop."
    if gate2 is not None:
        return EXPERIMENT, (
            "Gate 2 is inconclusive at the planned end: run a larger experiment under a new name, or stop."
            if gate2["final"]
            else "Gate 2, at the planned end."
        )
    if settings.experiment.start is not None:
        return EXPERIMENT, f"Gate 2: experiment {settings.experiment.name} starts on {settings.experiment.start}."
    if candidate["verdict"] == "pass" and settings.store.tables == "contract":
        return OFFLINE, (
            "Gate 1 has passed, and nobody in a data set of the past can be mailed: gate 2 is for a retailer's own "
            "tables."
        )
    if candidate["verdict"] == "pass":
        return EXPERIMENT, "Gate 1 has passed: plan the experiment (`gnn experiment start`)."
    return OFFLINE, "Gate 1 has not passed: SQL goes on. See the reasons to stop below."


def _stops(
    graph: Mapping[str, Any],
    gate2: Mapping[str, Any] | None,
    rolled_back: bool,
    rollout_reason: str,
    cost: Mapping[str, Any] | None,
) -> tuple[StopLine, ...]:
    lift = graph["lift"]
    no_better = lift is not None and lift <= 0 and not graph["invalid"]
    failed = gate2 is not None and gate2["final"] and gate2["verdict"] == "fail"
    over = cost is not None and cost["state"] == "no further training"
    return (
        StopLine(
            "Recall@10 no better than SQL", "Stop and write down the learnings; offer product similarity (2B).",
            no_better, f"The graph model's lift is {signed_percent(lift)}.",
        ),
        StopLine(
            f"CTR lift below {percent(gate2['threshold']) if gate2 else 'the threshold'}",
            "Evaluate product similarity alone (2B); if that fails too, stop.", failed,
            "No experiment was read." if gate2 is None else f"Gate 2: {gate2['verdict']}.",
        ),
        StopLine(
            "CTR regression in the rollout", "Roll back to SQL and investigate the gap between offline and online.",
            rolled_back, rollout_reason,
        ),
        StopLine(
            "Cost at the stop factor of its budget", "Smaller graph or CPU only; no training until someone decides.",
            over,
            "Cost was not measured." if cost is None else str(cost["sentence"]),
        ),
    )  # fmt: skip
