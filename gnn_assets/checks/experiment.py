"""Checks that inform: gate 2, the plan's power, and the rollout's guards."""

import dagster as dg

from gnn_assets.checks.decisions import SEVERITY
from gnn_assets.resources import Platform
from gnn_core.experiment.gate2 import EARLY


def experiment_checks() -> list[dg.AssetChecksDefinition]:
    """the_plan_can_decide, gate_2, the_rollout_needs_nobody."""

    @dg.asset_check(
        asset="treatment_assignments",
        description="The experiment can decide: the planned lift passes gate 2 with the target power. Only a warning.",
    )
    def the_plan_can_decide(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        artifact = platform.week(context).read("treatment_assignments")
        if artifact.json("state.json")["state"] != "assigned":
            return dg.AssetCheckResult(passed=True, description=str(artifact.json("state.json")["state"]))
        plan = artifact.json("plan.json")
        return dg.AssetCheckResult(
            passed=bool(plan["decides"]),
            severity=dg.AssetCheckSeverity.WARN,
            description=plan["reason"],
            metadata={"power": plan["power"], "base_rate": plan["base_rate"]},
        )

    @dg.asset_check(
        asset="experiment_readout",
        description="Gate 2 passes. A fail is an error, inconclusive a warning; neither stops the run.",
    )
    def gate_2(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        readout = platform.week(context).read("experiment_readout").json("readout.json")
        if readout["state"] != "read":
            return dg.AssetCheckResult(passed=True, description=str(readout["state"]))
        verdict = readout["verdict"]
        figures = {k: verdict[k] for k in ("lift", "low", "high") if verdict[k] is not None}
        waits = verdict["why"] == EARLY
        return dg.AssetCheckResult(
            passed=verdict["verdict"] == "pass" or waits,
            severity=SEVERITY[verdict["verdict"]],
            description=f"{verdict['verdict']}: {verdict['reason']}",
            metadata={**figures, "threshold": verdict["threshold"], "control_clickers": verdict["control_clickers"]},
        )

    @dg.asset_check(
        asset="rollout_stage",
        description="The rollout was not rolled back and waits for nobody's decision. An error calls a person.",
    )
    def the_rollout_needs_nobody(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        stage = platform.week(context).read("rollout_stage").json("stage.json")
        return dg.AssetCheckResult(
            passed=not stage["alerts"],
            severity=dg.AssetCheckSeverity.ERROR,
            description=str(stage["reason"]),
            metadata={
                "share": stage["share"],
                "headline": "The rollout went back to SQL"
                if stage["action"] == "rollback"
                else "The rollout needs a person's decision",
                # The table that follows a rollback is made at once; that does not make the rollout well again.
                "resolves": not stage.get("rolled_back", False),
            },
        )

    return [the_plan_can_decide, gate_2, the_rollout_needs_nobody]
