"""The check of the monthly rebuild: what the weeks have merged is what all events say."""

import dagster as dg

from gnn_assets.resources import Platform


def fact_checks() -> list[dg.AssetChecksDefinition]:
    """merged_facts_equal_a_rebuild."""

    @dg.asset_check(
        asset="interaction_facts",
        description="Facts merged week by week equal facts made anew, row for row; asked in a month's first week.",
    )
    def merged_facts_equal_a_rebuild(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        state = platform.week(context).read("interaction_facts").manifest.meta
        asked = state["agrees"] is not None
        return dg.AssetCheckResult(
            passed=state["agrees"] is not False,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"{state['how']}: {state['why']}" + ("" if asked else "; not compared this week"),
            metadata={"compared": asked},
        )

    return [merged_facts_equal_a_rebuild]
