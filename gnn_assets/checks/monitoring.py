"""Checks that inform on what is served and what it costs; each threshold stands in the config with its reason."""

from collections.abc import Iterator

import dagster as dg

from gnn_assets.resources import Platform
from gnn_core.experiment.guards import embedding_guard
from gnn_core.monitoring.cost import OK, STOP, UNKNOWN_BILLING
from gnn_core.monitoring.embeddings import COMPARED
from gnn_core.monitoring.inputs import ALARM, MOVED
from gnn_core.monitoring.weekly import CHECKS, weekly_findings

WEEKLY = "weekly_findings"
"""Step of the checks that read `serving_metrics`: in a pod each, they would wait far longer than they work."""


def monitoring_checks() -> list[dg.AssetChecksDefinition]:
    """Every weekly check, the two of drift, and the_month_is_within_budget."""

    @dg.multi_asset_check(
        name=WEEKLY,
        specs=[
            dg.AssetCheckSpec(name=name, asset="serving_metrics", description=words)
            for name, (words, _) in CHECKS.items()
        ],
        can_subset=True,  # without it, the UI offers no way to ask for one again by hand
    )
    def weekly(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterator[dg.AssetCheckResult]:
        week = platform.week(context)
        findings = weekly_findings(week.read("serving_metrics").json("metrics.json"), week.settings.monitoring)
        for name in sorted(key.name for key in context.selected_asset_check_keys):
            found = findings[name]
            yield dg.AssetCheckResult(
                check_name=name,
                asset_key="serving_metrics",
                passed=found.passed,
                severity=dg.AssetCheckSeverity.WARN,
                description=found.sentence,
                metadata={"threshold": found.threshold, **({"value": found.value} if found.value is not None else {})},
            )

    @dg.asset_check(
        asset="embedding_drift",
        description=(
            "Norms, directions and neighbourhoods of each part of the vectors keep their limits; the rollout's guard "
            "reads the same. A warning where the model has weighed its parts otherwise."
        ),
    )
    def the_vectors_keep_their_limits(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> dg.AssetCheckResult:
        drift = platform.week(context).read("embedding_drift").json("drift.json")
        compared = drift["state"] == COMPARED
        broken, warns = compared and bool(drift["breaks"]), compared and drift["warns"]
        return dg.AssetCheckResult(
            passed=not broken and not warns,
            severity=dg.AssetCheckSeverity.WARN if warns and not broken else dg.AssetCheckSeverity.ERROR,
            description=embedding_guard(drift).sentence if compared else f"Not applicable: {drift['state']}.",
        )

    @dg.asset_check(
        asset="input_drift",
        description="No input of the week is distributed otherwise than before, beyond chance. An alarm is an error.",
    )
    def the_inputs_are_what_they_were(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> dg.AssetCheckResult:
        drift = platform.week(context).read("input_drift").json("drift.json")
        worst = drift["worst"]
        moved = [i["sentence"] for i in drift["inputs"] if i["state"] in (MOVED, ALARM)]
        return dg.AssetCheckResult(
            passed=not moved,
            severity=dg.AssetCheckSeverity.ERROR if worst and worst["state"] == ALARM else dg.AssetCheckSeverity.WARN,
            description=" ".join(moved) or (worst["sentence"] if worst else "No input has enough rows to tell."),
            metadata={"moved": len(moved), "inputs": len(drift["inputs"])},
        )

    @dg.asset_check(
        asset="cost_ledger",
        description="The month's spend is below its budget; at the stop factor it is an error, and training waits.",
    )
    def the_month_is_within_budget(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        month = platform.week(context).read("cost_ledger").json("month.json")
        stop, known = month["state"] == STOP, not month["billing"].startswith(UNKNOWN_BILLING)
        return dg.AssetCheckResult(
            passed=month["state"] == OK and known,
            severity=dg.AssetCheckSeverity.ERROR if stop else dg.AssetCheckSeverity.WARN,
            description=month["sentence"] if known else f"{month['sentence']} {month['billing']}",
            metadata={"usd": month["usd"], "budget_usd": month["budget_usd"]},
        )

    return [
        weekly,
        the_vectors_keep_their_limits,
        the_inputs_are_what_they_were,
        the_month_is_within_budget,
    ]
