"""Settings of the data: which store, where its tables are, who is eligible, which windows."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, identifier, one_of
from gnn_core.errors import ConfigError


@dataclass(frozen=True)
class StoreSettings:
    """Which store this state directory holds. Written by `gnn simulate` and `gnn load`, or by hand in production."""

    SECTION: ClassVar[str] = "store"

    name: str
    tables: str
    """`raw`: a retailer's source tables go through the staging SQL. `contract`: they come as contract tables."""
    first_week: dt.date
    """First Monday that is a weekly partition. The as-of date of a partition is its end, seven days later."""
    last_week: dt.date | None
    """Last week of a store that has ended (a file of the past); null while data keep coming."""
    stand_ins: tuple[str, ...]
    """What is not real in this store, each as a phrase; repeated in the report."""

    def __post_init__(self) -> None:
        one_of(self, "tables", ("raw", "contract"))
        if self.first_week.weekday() != 0:
            raise ConfigError(f"store.first_week is {self.first_week}, a {self.first_week:%A}; weeks start on Monday")


ROLES = ("reader", "stager", "publisher")
"""Who speaks to the warehouse; each may have a service account of its own (deploy/bigquery)."""


@dataclass(frozen=True)
class WarehouseSettings:
    """Where tables live. DuckDB needs a file and nothing else; BigQuery needs a project."""

    SECTION: ClassVar[str] = "warehouse"

    engine: str
    source_dataset: str
    work_dataset: str
    serving_dataset: str
    project: str | None
    location: str
    maximum_bytes_billed: int
    job_timeout_s: float
    busy_retry_s: float
    """DuckDB: how long to wait for another process to let go of the file."""
    memory_limit: str
    """DuckDB: what it may use before it spills to disk, such as 4GB."""
    threads: int
    """DuckDB: how many threads a statement may use."""
    labels: dict[str, str]
    reader: str | None
    """BigQuery: service account that only looks: `gnn status`, sensors. Null = whoever runs the process, as below."""
    stager: str | None
    """BigQuery: service account of the weekly job's steps; reads sources and serving, writes the work dataset."""
    publisher: str | None
    """BigQuery: service account that alone writes the serving dataset."""

    def __post_init__(self) -> None:
        one_of(self, "engine", ("duckdb", "bigquery"))
        for role in ROLES:
            account = getattr(self, role)
            if account is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+\.gserviceaccount\.com", account):
                raise ConfigError(f"warehouse.{role} is {account!r}; write the e-mail of a service account, or null")
            if account is not None and self.engine != "bigquery":
                raise ConfigError(f"warehouse.{role} is set, but {self.engine} knows no identities; set it to null")
        for name in ("source_dataset", "work_dataset", "serving_dataset"):
            identifier(self, name)
        at_least(self, "maximum_bytes_billed", 1)
        at_least(self, "job_timeout_s", 1)
        at_least(self, "busy_retry_s", 0)
        at_least(self, "threads", 1)
        if self.engine == "bigquery" and not self.project:
            raise ConfigError("warehouse.project is empty; BigQuery needs the project that is billed")


@dataclass(frozen=True)
class ArtifactSettings:
    """Where artifacts (snapshots, graphs, checkpoints, reports) are kept."""

    SECTION: ClassVar[str] = "artifacts"

    root: str | None
    """An fsspec address such as gs://bucket/prefix; null = the folder `artifacts` of the state directory."""


@dataclass(frozen=True)
class SourceSettings:
    """Names of the retailer's tables. Names are a choice; columns, properties and names of events are not."""

    SECTION: ClassVar[str] = "sources"

    user_attributes: str
    events: str
    orders: str
    fitment: str
    catalogue: str
    sends: str
    engagements: str
    event_stream_start: dt.date
    """Historical orders on or after this date are dropped: the event stream reports them."""
    min_year: int
    max_year: int
    """Model years outside this range are treated as no vehicle."""

    def __post_init__(self) -> None:
        for name in ("user_attributes", "events", "orders", "fitment", "catalogue", "sends", "engagements"):
            identifier(self, name)
        if self.min_year > self.max_year:
            raise ConfigError(f"sources.min_year {self.min_year} is above sources.max_year {self.max_year}")


@dataclass(frozen=True)
class EligibilitySettings:
    """Which products may be recommended at all. One rule set for SQL, models and audit."""

    SECTION: ClassVar[str] = "eligibility"

    min_price_usd: float
    service_prefixes: tuple[str, ...]
    commodity_words: tuple[str, ...]
    """Whole words of a part type that make it a commodity."""
    commodity_exceptions: tuple[str, ...]
    """Part types that stay although they hold a commodity word."""
    unknown_part_type_min_price_usd: float
    variant_suffixes: str
    """Letters that, after a trailing digit of the SKU, only name a colour."""
    min_products_per_vehicle: int
    require_email_consent: bool

    def __post_init__(self) -> None:
        at_least(self, "min_price_usd", 0)
        at_least(self, "min_products_per_vehicle", 1)


@dataclass(frozen=True)
class SplitSettings:
    """Windows, all counted back from the as-of date of the week.

    The last of the `test_cuts` windows ends at the as-of date, the others lie `stride_days` apart before it, and the
    `validation_cuts` windows before them. Explicit lists of cutoffs replace the rule: published protocols name theirs.
    """

    SECTION: ClassVar[str] = "split"

    horizon_days: int
    stride_days: int
    validation_cuts: int
    test_cuts: int
    refit_at_test_cutoff: bool
    """True: what is judged is fitted on everything before the test window. False: on everything before the first
    validation window (protocols in which the validation users are no training data)."""
    validation_teaches: bool
    """Without refit: whether what was chosen in the validation windows teaches weights of what is judged. It settles
    them as it settles other settings; it is never counted."""
    explicit_validation_cutoffs: tuple[dt.date, ...]
    explicit_test_cutoffs: tuple[dt.date, ...]

    def __post_init__(self) -> None:
        for name in ("horizon_days", "stride_days", "validation_cuts", "test_cuts"):
            at_least(self, name, 1)
        if bool(self.explicit_test_cutoffs) != bool(self.explicit_validation_cutoffs):
            raise ConfigError(
                "split.explicit_validation_cutoffs and explicit_test_cutoffs go together; give both or none"
            )
