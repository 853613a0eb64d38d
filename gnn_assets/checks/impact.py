"""A warning before the publish, when many users lose slots because facts changed."""

import dagster as dg

from gnn_assets.resources import Platform


def impact_checks() -> list[dg.AssetChecksDefinition]:
    """few_users_lose_slots."""

    @dg.asset_check(
        asset="fitment_change_impact",
        description="Few users lose a slot because catalogue or fitment changed.",
    )
    def few_users_lose_slots(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        week = platform.week(context)
        facts = week.read("fitment_change_impact").json("impact.json")
        allowed = week.settings.discovery.max_lost_share
        if facts["state"] != "compared":
            return dg.AssetCheckResult(passed=True, description=facts["state"], metadata={"threshold": allowed})
        share = facts["lost_share"]
        return dg.AssetCheckResult(
            passed=share <= allowed,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{facts['users_losing']:,} of {facts['users']:,} users ({share:.2%}) lose a slot because "
            f"catalogue or fitment changed; at most {allowed:.1%} are expected.",
            metadata={"share": share, "threshold": allowed},
        )

    return [few_users_lose_slots]
