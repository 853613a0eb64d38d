"""interaction_facts: what users did, undecayed, merged week by week and made anew once a month.

Everything that is fitted or scored reads its events from here (`Week.snapshot`). How the facts came about stands beside
them and is no part of their version: merged facts are the rebuilt ones, and what is made of them is the same, too.
"""

import datetime as dt

import dagster as dg

from gnn_assets import interactions, metadata
from gnn_assets.interactions import FACTS
from gnn_assets.partitions import as_of_moment
from gnn_assets.policy import OWNERS
from gnn_assets.resources import FACT_SECTIONS, RAW, Platform, Week
from gnn_core.errors import ArtifactError, ContractError
from gnn_core.graph.refresh import MERGED, Facts, Refreshed, refresh, same

FIRST_WEEK = "the first week of a month is made anew"


def fact_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """interaction_facts."""
    last_week = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @dg.asset(
        name=FACTS,
        partitions_def=weekly,
        group_name="graph",
        deps=[*RAW, dg.AssetDep(FACTS, partition_mapping=last_week)],
        kinds={"python", "parquet"},
        owners=OWNERS,
        code_version="2",
    )
    def interaction_facts(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """What users did, undecayed, and joint orders, unpruned: last week's, merged with what is new or late.

        In the first week of a month they are made anew from all events, and compared with the merge.
        """
        week = platform.week(context)
        made, agrees = facts_of(week)
        state = {
            "how": made.how, "why": made.why, "new": made.new, "late": made.late, "vanished": made.vanished,
            "agrees": agrees,
        }  # fmt: skip
        artifact = week.write(FACTS, interactions.as_files(made.facts), sections=FACT_SECTIONS, meta=state)
        return dg.MaterializeResult(
            metadata={
                "how": f"{made.how}: {made.why}",
                "dagster/row_count": len(made.facts.rows),
                "pairs": len(made.facts.joint),
                "new_rows": made.new,
                "late_rows": made.late,
                "vanished_rows": made.vanished,
                "days_compared": made.days,
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [interaction_facts]


def facts_of(week: Week) -> tuple[Refreshed, bool | None]:
    """The week's facts; and where they were made anew beside a merge, whether the two agree.

    Raises:
        ContractError: the facts hold another number of events than the week's table.
    """
    events, moment = week.frames("events")["events"], as_of_moment(week.key)
    fingerprint = week.settings.fingerprint(*FACT_SECTIONS)
    previous, why_not = last_weeks(week)
    made, agrees = refresh(previous, events, moment, fingerprint, rebuild_because=why_not), None
    if dt.date.fromisoformat(week.key).day <= 7 and made.how == MERGED:
        full = refresh(previous, events, moment, fingerprint, rebuild_because=FIRST_WEEK)
        made, agrees = full, same(full.facts, made.facts)
    if (held := int(made.facts.rows["n"].sum())) != len(events):
        raise ContractError(
            f"{week.key}/{FACTS}, {made.how}: the facts hold {held:,} events, raw_events {len(events):,}. Nothing may "
            f"be fitted on them; remove {week.previous_key}/{FACTS} from the artifacts to have them made anew"
        )
    return made, agrees


def last_weeks(week: Week) -> tuple[Facts | None, str]:
    """Facts of the week before; or None, and why."""
    if not week.store.exists(week.previous_key, FACTS):
        return None, f"{week.previous_key} has no facts"
    try:
        found = week.store.read(week.previous_key, FACTS)
        fingerprint = week.settings.fingerprint(*FACT_SECTIONS)
        return interactions.from_artifact(found, as_of_moment(week.previous_key), fingerprint), ""
    except ArtifactError as error:
        return None, str(error)
