"""Checks that inform and do not stop the run: the leak canary, and gate 1's three answers."""

import dagster as dg

from gnn_assets.resources import Platform

SEVERITY = {
    "pass": dg.AssetCheckSeverity.WARN,
    "inconclusive": dg.AssetCheckSeverity.WARN,
    "fail": dg.AssetCheckSeverity.ERROR,
}


def decision_checks() -> list[dg.AssetChecksDefinition]:
    """nothing_after_the_cutoff_is_learned, gate_1_graph, gate_1_candidate."""

    @dg.asset_check(
        asset="hetero_graph",
        description="Events planted after the cutoff change nothing that is learned from; else gate 1 is invalid.",
    )
    def nothing_after_the_cutoff_is_learned(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> dg.AssetCheckResult:
        canaries = platform.week(context).read("hetero_graph").json("canary.json")
        moved = {cut: canary["moved"] for cut, canary in canaries.items() if not canary["passed"]}
        return dg.AssetCheckResult(
            passed=not moved,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"planted future events moved {moved}"
            if moved
            else f"{sum(sum(c['planted'].values()) for c in canaries.values()):,} planted future events moved nothing.",
            metadata={cut: sum(canary["planted"].values()) for cut, canary in canaries.items()},
        )

    def gate(name: str, which: str, what: str) -> dg.AssetChecksDefinition:
        @dg.asset_check(
            asset="eval_report",
            name=name,
            description=f"Gate 1 passes {what}. A fail is an error, inconclusive a warning; neither stops the run.",
        )
        def check(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
            report = platform.week(context).read("eval_report").json("report.json")
            verdict = report["verdicts"]["graph"] if which == "graph" else report["decision"]
            figures = {k: verdict[k] for k in ("lift", "low", "high") if verdict[k] is not None}
            return dg.AssetCheckResult(
                passed=verdict["verdict"] == "pass",
                severity=SEVERITY[verdict["verdict"]],
                description=f"{verdict['verdict']}: {verdict['reason']}",
                metadata={**figures, "threshold": verdict["threshold"], "baseline_hits": verdict["n_baseline_hits"]},
            )

        return check

    return [
        nothing_after_the_cutoff_is_learned,
        gate("gate_1_graph", "graph", "the graph model itself"),
        gate("gate_1_candidate", "candidate", "the frozen policy that would be served; promotion needs this"),
    ]
