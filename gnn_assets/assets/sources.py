"""raw_*: staging SQL → contract tables → immutable Parquet snapshots of a week."""

import dagster as dg
import pandas as pd
import pyarrow as pa

from gnn_assets import metadata
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform
from gnn_core.contracts import CONTRACTS, TableContract, conform
from gnn_core.io.artifacts import json_bytes, parquet_bytes
from gnn_core.stores.staging import RECIPES, stage_table


def staged_after(contract: TableContract) -> list[str]:
    """Assets whose rows decide which rows of this table are kept, or valid."""
    parents = {*RECIPES[contract.name].parents, *(fk.table for fk in contract.foreign_keys)}
    return [f"raw_{name}" for name in sorted(parents)]


def raw_asset(contract: TableContract, weekly: dg.WeeklyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset that snapshots one contract table."""

    @dg.asset(
        name=f"raw_{contract.name}",
        partitions_def=weekly,
        group_name="sources",
        deps=staged_after(contract),
        description=f"{contract.description} Snapshot of the week; dropped rows are counted by reason.",
        kinds={"sql", "parquet"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def raw(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        week = platform.week(context)
        drops = stage_table(week.warehouse, contract.name, week.tables, week.settings)
        table = _sorted(conform(contract.name, week.warehouse.read(week.tables.table(contract.name))), contract)
        dropped = {drop.reason: drop.rows for drop in drops}
        artifact = week.write(
            f"raw_{contract.name}",
            {f"{contract.name}.parquet": parquet_bytes(table), "dropped.json": json_bytes(dropped)},
            sections=("store", "sources", "eligibility"),
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": table.num_rows,
                "dropped": metadata.counts(dropped, "reason", "rows"),
                "sample": metadata.rows(_sample(table)),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return raw


def raw_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """One asset a contract table."""
    return [raw_asset(contract, weekly) for contract in CONTRACTS.values()]


def _sorted(table: pa.Table, contract: TableContract) -> pa.Table:
    """Rows in an order that depends on content alone: a warehouse promises none, a digest needs one."""
    first = contract.key or tuple(c for c in (contract.time_column,) if c)
    rest = [c for c in contract.column_names if c not in first]
    return table.sort_by([(c, "ascending") for c in (*first, *rest)])


def _sample(table: pa.Table) -> pd.DataFrame:
    """Five rows spread over the table, so that sorted ids do not show one corner only."""
    step = max(table.num_rows // 5, 1)
    return table.take(pa.array(list(range(0, table.num_rows, step))[:5], pa.int64())).to_pandas()
