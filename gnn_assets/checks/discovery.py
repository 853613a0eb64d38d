"""Checks of what the embeddings say beside the lists. They inform: nothing that is e-mailed depends on them."""

from collections.abc import Iterator, Sequence

import dagster as dg

from gnn_assets.policy import WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.discovery.rules import SIMILARITY_RULES, UNIVERSAL_RULES
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.side_tables import SideRule, ask


def discovery_checks() -> list[dg.AssetChecksDefinition]:
    """The rules of the side tables, asked of what is served; coverage; whether the weight in use pays."""

    def rule_checks(asset: str, setting: str, rules: Sequence[SideRule]) -> dg.AssetChecksDefinition:
        """The rules of one table as one step: in a pod each, they would wait longer than they work."""

        @dg.multi_asset_check(
            name=f"{asset}_rules",
            specs=[dg.AssetCheckSpec(name=rule.name, asset=asset, description=rule.sentence) for rule in rules],
            pool=WAREHOUSE_POOL,
            can_subset=True,  # without it, the UI offers no way to ask for one again by hand
        )
        def check(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterator[dg.AssetCheckResult]:
            week = platform.week(context)
            table = TableName(week.settings.warehouse.serving_dataset, getattr(week.settings.discovery, setting))
            names = {name: week.tables.table(name) for name in ("products", "vehicles", "fitment")}
            asked = {key.name for key in context.selected_asset_check_keys}
            for verdict in ask(week.warehouse, table, [rule for rule in rules if rule.name in asked], names):
                sentence = verdict.rule.sentence
                yield dg.AssetCheckResult(
                    check_name=verdict.rule.name,
                    asset_key=asset,
                    passed=verdict.passed,
                    severity=dg.AssetCheckSeverity.ERROR,
                    description=sentence if verdict.passed else f"{verdict.n_bad:,} offend: {sentence}",
                    metadata={"offenders": verdict.n_bad, "examples": "; ".join(verdict.examples)},
                )

        return check

    @dg.asset_check(asset="product_similarity", description="Nearly every product has a similar one.")
    def products_have_neighbours(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        return _covered(platform.week(context), "product_similarity", "products")

    @dg.asset_check(asset="user_similarity", description="Nearly every group of users has a similar one.")
    def groups_have_neighbours(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        return _covered(platform.week(context), "user_similarity", "groups of users")

    @dg.asset_check(
        asset="universal_ranking",
        description="The universal ranking has weight 0 in the score, or its weight pays on validation beyond chance.",
    )
    def the_weight_pays_or_is_zero(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        week = platform.week(context)
        facts = week.read("universal_ranking").json("facts.json")
        weight = f"{facts['weight']:g}"
        lift = facts["added"].get(weight)
        if facts["weight"] == 0:
            passed, words = True, "discovery.universal_weight is 0: the ranking is no part of the score."
        elif lift is None or lift["low"] is None:
            passed, words = False, f"Weight {weight} was not measured; add it to discovery.universal_weights."
        else:
            passed = lift["low"] > 0
            words = (
                f"Weight {weight} lifts Recall@10 on validation by {lift['estimate']:+.1%}, from {lift['low']:+.1%}."
            )
        return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, description=words)

    return [
        rule_checks("product_similarity", "similarity_table", SIMILARITY_RULES),
        rule_checks("universal_ranking", "universal_table", UNIVERSAL_RULES),
        products_have_neighbours,
        groups_have_neighbours,
        the_weight_pays_or_is_zero,
    ]


def _covered(week: Week, asset: str, what: str) -> dg.AssetCheckResult:
    facts, expected = week.read(asset).json("facts.json"), week.settings.discovery.min_covered
    groups = facts.get("groups")  # products are not grouped
    if groups is not None and groups < 2:
        words = f"Not applicable: there are fewer than two {what}, so that none can have a neighbour."
        return dg.AssetCheckResult(passed=True, severity=dg.AssetCheckSeverity.WARN, description=words)
    share = facts["covered"]
    return dg.AssetCheckResult(
        passed=share >= expected,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{share:.1%} of the {what} have a neighbour; at least {expected:.0%} are expected.",
        metadata={"share": share, "threshold": expected},
    )
