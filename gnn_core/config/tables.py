"""How big tables lie in BigQuery, and what the published vectors are called.

What belongs here: partitions, clusters, names. What does not: which columns there are (contracts.py,
publishing/schema.py). DuckDB has neither partitions nor clusters: there, a layout is checked and has no effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, identifier
from gnn_core.errors import ConfigError

_PARTITION = re.compile(r"(DAY|MONTH|YEAR)\(([A-Za-z_][A-Za-z0-9_]*)\)")
MOST_CLUSTER_COLUMNS = 4
"""BigQuery's limit."""


@dataclass(frozen=True)
class TableLayout:
    """Partition and clustering of one table."""

    partition_by: str | None = None
    """`DAY(column)`, `MONTH(column)` or `YEAR(column)` of a TIMESTAMP column; null = one partition."""
    cluster_by: tuple[str, ...] = ()
    """Columns by which rows lie together, the most selective first."""

    def __post_init__(self) -> None:
        if self.partition_by is not None and not _PARTITION.fullmatch(self.partition_by):
            raise ConfigError(
                f"layouts: partition_by is {self.partition_by!r}; write DAY(column), MONTH(column) or YEAR(column)"
            )
        if len(self.cluster_by) > MOST_CLUSTER_COLUMNS or len(set(self.cluster_by)) < len(self.cluster_by):
            raise ConfigError(
                f"layouts: cluster_by is {list(self.cluster_by)}; BigQuery takes {MOST_CLUSTER_COLUMNS} different "
                "columns at most"
            )

    @property
    def unit(self) -> str | None:
        """DAY, MONTH or YEAR; None without partitions."""
        return None if self.partition_by is None else self.partition_by.partition("(")[0]

    @property
    def column(self) -> str | None:
        """The TIMESTAMP column of the partitions; None without."""
        return None if self.partition_by is None else self.partition_by.partition("(")[2][:-1]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the table must have for this layout."""
        return (*((self.column,) if self.column else ()), *self.cluster_by)

    def __str__(self) -> str:
        parts = [f"partitioned by {self.partition_by}"] if self.partition_by else []
        parts += [f"clustered by {', '.join(self.cluster_by)}"] if self.cluster_by else []
        return ", ".join(parts) or "neither partitioned nor clustered"


PLAIN = TableLayout()


@dataclass(frozen=True)
class LayoutSettings:
    """One layout a table that grows with users, products or time; small ones have none."""

    SECTION: ClassVar[str] = "layouts"

    users: TableLayout
    vehicles: TableLayout
    ownership: TableLayout
    products: TableLayout
    fitment: TableLayout
    events: TableLayout
    sends: TableLayout
    engagements: TableLayout
    segment_scores: TableLayout
    lists: TableLayout
    """Lists of the SQL cascade."""
    recommendations: TableLayout
    """Staging tables, kept versions and the live table: a copy keeps the layout of what it copies."""
    assignments: TableLayout
    cost_ledger: TableLayout
    embedding_products: TableLayout
    embedding_vehicles: TableLayout
    embedding_audience: TableLayout
    embedding_users: TableLayout


@dataclass(frozen=True)
class EmbeddingSettings:
    """Names of the published vectors, all in the serving dataset."""

    SECTION: ClassVar[str] = "embeddings"

    products: str
    vehicles: str
    audience: str
    """One vector a set of vehicles without history, and one a user with history."""
    users: str
    """User → row of `audience`."""
    live: str
    """The one row that says which run's vectors are live."""
    keep_versions: int

    def __post_init__(self) -> None:
        names = ("products", "vehicles", "audience", "users", "live")
        for name in names:
            identifier(self, name)
        if len({getattr(self, name) for name in names}) < len(names):
            raise ConfigError("embeddings: two of the tables have one name")
        at_least(self, "keep_versions", 2)
