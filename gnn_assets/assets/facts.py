"""interaction_facts: what users did, undecayed, merged week by week and made anew once a month."""

import datetime as dt

import dagster as dg
import pyarrow as pa

from gnn_assets import metadata
from gnn_assets.partitions import as_of_moment
from gnn_assets.policy import OWNERS
from gnn_assets.resources import RAW, Platform, Week
from gnn_core.errors import ArtifactError
from gnn_core.graph.refresh import MERGED, Facts, Refreshed, refresh, same
from gnn_core.io.artifacts import json_bytes, parquet_bytes

NAME = "interaction_facts"
SECTIONS = ("store", "sources", "eligibility")
"""Settings that decide which events there are; decay and thresholds are derived from facts and change none."""
FIRST_WEEK = "the first week of a month is made anew"


def fact_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """interaction_facts."""
    last_week = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @dg.asset(
        name=NAME,
        partitions_def=weekly,
        group_name="graph",
        deps=[*RAW, dg.AssetDep(NAME, partition_mapping=last_week)],
        kinds={"python", "parquet"},
        owners=OWNERS,
        code_version="1",
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
        files = {
            "rows.parquet": parquet_bytes(pa.Table.from_pandas(made.facts.rows, preserve_index=False)),
            "joint.parquet": parquet_bytes(pa.Table.from_pandas(made.facts.joint, preserve_index=False)),
            "state.json": json_bytes(state),
        }
        artifact = week.write(NAME, files, sections=SECTIONS)
        return dg.MaterializeResult(
            metadata={
                "how": f"{made.how}: {made.why}",
                "dagster/row_count": len(made.facts.rows),
                "pairs": len(made.facts.joint),
                "new_rows": made.new,
                "late_rows": made.late,
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [interaction_facts]


def facts_of(week: Week) -> tuple[Refreshed, bool | None]:
    """The week's facts; and where they were made anew beside a merge, whether the two agree."""
    events, moment = week.frames("events")["events"], as_of_moment(week.key)
    fingerprint = week.settings.fingerprint(*SECTIONS)
    previous, why_not = last_weeks(week)
    if previous is None:
        return refresh(None, events, moment, fingerprint, rebuild_because=why_not), None
    merged = refresh(previous, events, moment, fingerprint)
    if dt.date.fromisoformat(week.key).day > 7 or merged.how != MERGED:
        return merged, None
    full = refresh(previous, events, moment, fingerprint, rebuild_because=FIRST_WEEK)
    return full, same(full.facts, merged.facts)


def last_weeks(week: Week) -> tuple[Facts | None, str]:
    """Facts of the week before; or None, and why."""
    if not week.store.exists(week.previous_key, NAME):
        return None, f"{week.previous_key} has no facts"
    try:
        found = week.store.read(week.previous_key, NAME)
    except ArtifactError as error:
        return None, str(error)
    rows, joint = (found.table(f"{name}.parquet").to_pandas() for name in ("rows", "joint"))
    return Facts(rows, joint, as_of_moment(week.previous_key), week.settings.fingerprint(*SECTIONS)), ""
