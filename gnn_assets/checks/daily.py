"""Checks of a day: alive feed, fresh table, no harm. They run by themselves every morning, and what is red is told."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from gnn_assets.assets.daily import ROLLOUT
from gnn_assets.resources import PARTITION_TAG, Platform, Week
from gnn_core.errors import DataError
from gnn_core.evaluation.lift_rule import HARM
from gnn_core.monitoring.freshness import INPUTS, PUBLISHED


def daily_checks() -> list[dg.AssetChecksDefinition]:
    """the_feed_is_alive, the_published_table_is_fresh, the_table_follows_the_rollout, nobody_is_harmed."""

    def age(name: str, what: str, words: str) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset="freshness", name=name, description=words)
        def check(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
            week, day = _day(context, platform)
            found = week.store.read(day, "freshness").json("freshness.json")[what]
            known = found["age_hours"] is not None
            return dg.AssetCheckResult(
                passed=found["fresh"],
                # Before the first publish there is nothing that could have stopped.
                severity=dg.AssetCheckSeverity.ERROR if known else dg.AssetCheckSeverity.WARN,
                description=found["sentence"],
                metadata={"limit_hours": found["limit_hours"]} | ({"age_hours": found["age_hours"]} if known else {}),
            )

        return check

    @dg.asset_check(
        asset="daily_readout",
        description="The running experiment harms nobody, by the interval that holds on all days at once. Error.",
    )
    def nobody_is_harmed(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        week, day = _day(context, platform)
        readout = week.store.read(day, "daily_readout").json("readout.json")
        passed, words = harms_nobody(readout)
        return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.ERROR, description=words)

    @dg.asset_check(
        asset="freshness",
        description="The published table was made under the rollout's present share. Else an error: nothing makes it.",
    )
    def the_table_follows_the_rollout(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> dg.AssetCheckResult:
        week, day = _day(context, platform)
        found = week.store.read(day, "freshness").json("freshness.json")[ROLLOUT]
        return dg.AssetCheckResult(
            passed=found["follows"],
            severity=dg.AssetCheckSeverity.ERROR,
            description=found["sentence"],
            metadata={"headline": "The table does not follow the rollout"},
        )

    return [
        the_table_follows_the_rollout,
        age("the_feed_is_alive", INPUTS, "The newest event is no older than arrivals.max_input_age_hours."),
        age(
            "the_published_table_is_fresh",
            PUBLISHED,
            "The published table is no older than arrivals.max_published_age_days.",
        ),
        nobody_is_harmed,
    ]


def harms_nobody(readout: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether no day shows harm, and what is told. Arms that cannot be compared keep the verdict from saying it, and
    the customers who lose by them from nothing."""
    verdict = readout.get("verdict")
    if verdict is None:
        return True, str(readout["state"])
    words = f"{verdict['verdict']}: {verdict['reason']}"
    days = [look["day"] for look in readout["looks"] if look["stops"] == HARM]
    if days and verdict["why"] != HARM:
        words = f"Day {days[0]} shows harm, whatever the arms are worth. {words}"
    return not days and verdict["why"] != HARM, words


def _day(context: dg.AssetCheckExecutionContext, platform: Platform) -> tuple[Week, str]:
    """Any week, for its store, and the name under which the day's artifacts lie: of the run, else of the newest day."""
    if stated := context.run.tags.get(PARTITION_TAG):
        return platform.week(stated), f"day-{stated}"
    week = platform.week(context)
    days = [name for name in week.store.weeks() if name.startswith("day-")]
    if not days:
        raise DataError("no day has been looked at yet; run the job watch first")
    return week, days[-1]
