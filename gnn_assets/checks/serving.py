"""The audit of the staged candidates: a blocking check a rule, each asked of the warehouse, none of memory."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from gnn_assets import metadata
from gnn_assets.policy import WAREHOUSE_POOL
from gnn_assets.resources import Platform
from gnn_core.config import Settings
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.audit import Verdict, audit, rule_sentences
from gnn_core.publishing.schema import live_table


def audit_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Every blocking rule as a check of its own, from one reading of the staged table."""

    @dg.multi_asset_check(
        name="audit",
        specs=[
            dg.AssetCheckSpec(
                name=rule,
                asset="recommendation_candidates",
                blocking=True,
                description=f"{sentence} Asked of the staged table; the publisher asks it again by itself.",
            )
            for rule, sentence in rule_sentences(settings).items()
        ],
        pool=WAREHOUSE_POOL,
        can_subset=True,  # without it, the UI offers no way to ask again by hand
    )
    def audit_of_candidates(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        week = platform.week(context)
        staged = week.read("recommendation_candidates").json("staged.json")
        verdicts = audit(
            week.warehouse, TableName.parse(staged["table"]), week.tables, week.settings, live_table(week.settings)
        )
        asked = {key.name for key in context.selected_asset_check_keys}
        yield from (_result(verdict, week.key) for verdict in verdicts if verdict.rule in asked)

    return audit_of_candidates


def _result(verdict: Verdict, week: str) -> dg.AssetCheckResult:
    examples = (
        {"examples": metadata.rows(pd.DataFrame([dict(e) for e in verdict.examples]))} if verdict.examples else {}
    )
    return dg.AssetCheckResult(
        check_name=verdict.rule,
        asset_key="recommendation_candidates",
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=verdict.sentence if verdict.passed else f"{verdict.n_bad:,} offend: {verdict.sentence}",
        metadata={
            "week": week,
            "offenders": verdict.n_bad,
            "observed": verdict.observed,
            "threshold": verdict.threshold,
            **examples,
        },
    )
