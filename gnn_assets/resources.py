"""The one resource: an environment, opened for a week. Local and production differ in its configuration only."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
from dagster import ConfigurableResource

from gnn_assets import interactions, partitions
from gnn_assets.environment import Environment
from gnn_assets.interactions import FACTS
from gnn_core.config import Settings
from gnn_core.contracts import CONTRACTS, SNAPSHOT_TABLES
from gnn_core.errors import DataError
from gnn_core.graph.refresh import with_facts
from gnn_core.graph.split import Timeline, build_timeline
from gnn_core.io.artifacts import Artifact, ArtifactStore
from gnn_core.io.warehouse import Warehouse, label_value
from gnn_core.snapshot import Snapshot, build_snapshot
from gnn_core.stores.week import WeekTables

StepContext = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext
RAW = tuple(f"raw_{name}" for name in SNAPSHOT_TABLES)
"""Artifacts of the contract tables."""
FACT_SECTIONS = ("store", "sources", "eligibility")
"""Settings that decide which events there are; decay and thresholds are derived from facts and change none."""


@dataclass(frozen=True)
class Week:
    """Everything that a step needs to work on one weekly partition."""

    key: str
    settings: Settings
    store: ArtifactStore
    warehouse: Warehouse
    """As the stager: reads everything, writes the work dataset."""
    publisher: Warehouse
    """As the publisher: for what writes the serving dataset. The same warehouse where no identities are named."""
    tables: WeekTables
    scratch: Path
    """Where a training leaves its state for the run that resumes it."""

    @property
    def previous_key(self) -> str:
        """The partition before this one."""
        return (dt.date.fromisoformat(self.key) - partitions.WEEK).isoformat()

    def at(self, key: str) -> "Week":
        """The same installation on another partition."""
        return replace(self, key=key, tables=partitions.week_tables(key, self.settings.warehouse.work_dataset))

    @property
    def timeline(self) -> Timeline:
        """Validation and test windows, counted back from the as-of date."""
        return build_timeline(pd.Timestamp(partitions.as_of(self.key)), self.settings.split)

    def raw(self) -> dict[str, Artifact]:
        """The week's contract tables as artifacts."""
        found = self.store.read_all(self.key, RAW)
        return {name: found[f"raw_{name}"] for name in SNAPSHOT_TABLES}

    def frames(self, *names: str) -> dict[str, pd.DataFrame]:
        """Contract tables as frames; all of them when none is named."""
        raw = self.raw()
        return {name: raw[name].table(f"{name}.parquet").to_pandas() for name in names or SNAPSHOT_TABLES}

    def snapshot(self) -> Snapshot:
        """The integer-coded store of this week: its tables, with the interactions of its facts.

        Built once per process and content.

        Raises:
            ArtifactError: the week has no facts, or they were made from other tables than those that are current now.
        """
        found = self.store.read_all(self.key, [*RAW, FACTS])
        content = tuple(artifact.version for artifact in found.values())
        if _CACHE.get("key") != content:
            _CACHE.clear()
            frames = self.frames("users", "vehicles", "ownership", "products", "fitment")
            none = CONTRACTS["events"].schema.empty_table().to_pandas()
            moment = partitions.as_of_moment(self.key)
            facts = interactions.from_artifact(found[FACTS], moment, self.settings.fingerprint(*FACT_SECTIONS))
            snapshot = with_facts(facts, build_snapshot({**frames, "events": none}, moment))
            _CACHE.update(key=content, snapshot=snapshot)
        return _CACHE["snapshot"]

    def write(
        self, name: str, files: dict[str, bytes], *, inputs: Iterable[Artifact] = (), **provenance: Any
    ) -> Artifact:
        """Store an artifact of this week.

        Raises:
            ArtifactError: an input was made from other tables of the week than those that are current now.
        """
        tables = () if name in RAW else self.raw().values()
        return self.store.write(self.key, name, files, inputs=[*inputs, *tables], **provenance)

    def read(self, name: str) -> Artifact:
        """Read an artifact of this week.

        Raises:
            ArtifactError: it does not exist, or the week's tables have changed since it was made: a model would meet
                rows that it was not fitted on, under positions that mean other products.
        """
        if name in RAW:
            return self.store.read(self.key, name)
        return self.store.read_all(self.key, [*RAW, name])[name]


def job_labels(context: "StepContext") -> dict[str, str]:
    """Labels of every job that a step starts in the warehouse, by which cost is told apart."""
    return {RUN_LABEL: label_value(context.run.run_id), STEP_LABEL: label_value(context.op_def.name)}


def _partition_of(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext,
    where: Environment,
    settings: Settings,
) -> str:
    """The week of an asset's step; of a check's step, or of one of several that make an asset, the week of its run.

    A check that is executed by itself from the UI has no partition (partitioned checks are a preview feature of
    Dagster, not meant for production): it judges the newest week that was snapshotted, and says which in its metadata.
    """
    if isinstance(context, dg.AssetExecutionContext):
        return context.partition_key
    if stated := context.run.tags.get(PARTITION_TAG):
        return stated
    weeks = [w for w in where.artifacts(settings).weeks() if w[:1].isdigit()]
    if not weeks:
        raise DataError("no week has been materialised yet, so there is nothing to check; run the weekly job first")
    return weeks[-1]


RUN_LABEL, STEP_LABEL = "dagster_run", "dagster_step"
PARTITION_TAG = "dagster/partition"
_CACHE: dict[str, Any] = {}
"""The last snapshot of this process: steps of one run that share a process share it."""


class Platform(ConfigurableResource):
    """An installation of the platform: which overlay, which state directory."""

    environment: str
    config_dir: str
    state_dir: str
    overlay: str = ""
    """One more overlay; empty = none."""

    @classmethod
    def of(cls, environment: Environment) -> "Platform":
        """Resource for an environment."""
        return cls(
            environment=environment.name,
            config_dir=str(environment.config_dir),
            state_dir=str(environment.state_dir),
            overlay="" if environment.overlay is None else str(environment.overlay),
        )

    def where(self) -> Environment:
        """The environment as the core of this package knows it."""
        overlay = Path(self.overlay) if self.overlay else None
        return Environment(self.environment, Path(self.config_dir), Path(self.state_dir), overlay)

    def week(self, context: StepContext | str) -> Week:
        """Open the partition that a step works on."""
        where = self.where()
        settings = where.settings()
        key = context if isinstance(context, str) else _partition_of(context, where, settings)
        labels = {} if isinstance(context, str) else job_labels(context)
        warehouse = where.warehouse(settings, labels=labels)
        publisher = where.warehouse(settings, "publisher", labels) if settings.warehouse.publisher else warehouse
        return Week(
            key=key,
            settings=settings,
            store=where.artifacts(settings),
            warehouse=warehouse,
            publisher=publisher,
            tables=partitions.week_tables(key, settings.warehouse.work_dataset),
            scratch=where.training_dir,
        )
