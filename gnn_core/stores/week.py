"""Names of the tables that one week has in the work dataset.

What belongs here: names. What does not: what stands in the tables (staging.py, scoring/sql_baseline.py).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from gnn_core.contracts import CONTRACTS
from gnn_core.errors import ContractError
from gnn_core.io.warehouse import TableName


@dataclass(frozen=True)
class WeekTables:
    """The tables of the week that ends at `as_of` (exclusive, UTC)."""

    as_of: dt.date
    dataset: str = "work"
    """`warehouse.work_dataset`."""
    prefix: str = ""
    """Before every name: what looks at a week in passing must not touch the tables of the week's own run."""

    @property
    def moment(self) -> dt.datetime:
        """The as-of date as the moment at which the week's knowledge ends: midnight UTC."""
        return dt.datetime.combine(self.as_of, dt.time(), tzinfo=dt.UTC)

    def table(self, name: str) -> TableName:
        """`work.<prefix><contract table>_<yyyymmdd>`.

        Raises:
            ContractError: `name` is no contract table.
        """
        if name not in CONTRACTS:
            raise ContractError(f"{name!r} is no contract table; there are {', '.join(CONTRACTS)}")
        return TableName(self.dataset, f"{self.prefix}{name}_{self.as_of:%Y%m%d}")

    def scores(self, what: str, cutoff: np.datetime64, version: str) -> TableName:
        """`work.sql_<what>_<yyyymmdd of the week>_<yyyymmdd of the cutoff>_<v517 | v518>`."""
        day = np.datetime_as_string(cutoff, unit="D").replace("-", "")
        return TableName(self.dataset, f"sql_{what}_{self.as_of:%Y%m%d}_{day}_{version.replace('.', '')}")
