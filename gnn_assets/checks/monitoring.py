"""Checks that inform on what is served and what it costs; each threshold stands in the config with its reason."""

import dagster as dg

from gnn_assets.resources import Platform


def monitoring_checks() -> list[dg.AssetChecksDefinition]:
    """cold_users_are_served, few_slots_fall_back, lists_are_not_all_alike, the_month_is_within_budget."""

    def limit(name: str, figure: str, setting: str, above: bool, words: str) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset="serving_metrics", name=name, description=words)
        def check(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
            week = platform.week(context)
            value = week.read("serving_metrics").json("metrics.json")[figure]
            threshold = getattr(week.settings.monitoring, setting)
            known = value is not None
            return dg.AssetCheckResult(
                passed=known and (value >= threshold if above else value <= threshold),
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{figure} is {value:.3f}" if known else f"{figure} could not be measured",
                metadata={"threshold": threshold, **({"value": value} if known else {})},
            )

        return check

    @dg.asset_check(
        asset="cost_ledger",
        description="The month's spend is below its budget; at the stop factor it is an error, and training waits.",
    )
    def the_month_is_within_budget(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        month = platform.week(context).read("cost_ledger").json("month.json")
        stop = month["state"] == "no further training"
        return dg.AssetCheckResult(
            passed=month["state"] == "within budget",
            severity=dg.AssetCheckSeverity.ERROR if stop else dg.AssetCheckSeverity.WARN,
            description=str(month["sentence"]),
            metadata={"usd": month["usd"], "budget_usd": month["budget_usd"]},
        )

    return [
        limit(
            "cold_users_are_served", "cold_coverage", "min_cold_coverage", True, "Cold users have lists, as a share."
        ),
        limit("few_slots_fall_back", "fallback_share", "max_fallback_share", False, "Few slots hold a fallback."),
        limit("lists_are_not_all_alike", "gini", "max_gini", False, "Not everyone is sent the same few products."),
        the_month_is_within_budget,
    ]
