"""Contract checks: a blocking one for every contract table, from one factory."""

import dagster as dg
import pandas as pd

from gnn_assets import metadata, partitions
from gnn_assets.resources import Platform
from gnn_core.contracts import CONTRACTS, TableContract, violations

MAY_BE_EMPTY = ("sends", "engagements")
"""Tables that a week can do without: a store whose e-mails have not begun."""


def contract_check(contract: TableContract) -> dg.AssetChecksDefinition:
    """`raw_X_keeps_its_contract`: columns, types, key, foreign keys, values, rows at all, nothing late."""
    parents = sorted({fk.table for fk in contract.foreign_keys})

    @dg.asset_check(
        asset=f"raw_{contract.name}",
        name="keeps_its_contract",
        blocking=True,
        additional_deps=[f"raw_{parent}" for parent in parents],
        description=f"{contract.name}: columns, key {contract.key or '(none)'}, foreign keys and values as declared"
        + ("." if contract.name in MAY_BE_EMPTY else "; not empty."),
    )
    def keeps_its_contract(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        week = platform.week(context)
        frames = {
            name: week.read(f"raw_{name}").table(f"{name}.parquet").to_pandas() for name in (contract.name, *parents)
        }
        found = violations(contract.name, frames, as_of=pd.Timestamp(partitions.as_of(week.key), tz="UTC"))
        if frames[contract.name].empty and contract.name not in MAY_BE_EMPTY:
            # Without this, training or the graph fails later, with words that lead elsewhere.
            found.append(f"{contract.name}: no row is left; see `dropped` of raw_{contract.name}, and its sources")
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.ERROR,
            description="; ".join(found) or f"All {len(frames[contract.name]):,} rows keep the contract.",
            metadata={
                "week": week.key,
                "rows": len(frames[contract.name]),
                "violations": metadata.rows(pd.DataFrame({"violation": found})),
            },
        )

    return keeps_its_contract


def source_checks() -> list[dg.AssetChecksDefinition]:
    """One contract check a table."""
    return [contract_check(contract) for contract in CONTRACTS.values()]
