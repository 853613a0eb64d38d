"""Every table of the platform: which outlive a week and are made beforehand, which a run makes, and what is there now.

What belongs here: the list, the comparison with a warehouse, making what is missing. What does not: rows, and changing
a table that is there: a table with rows in it is its owner's to change.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from gnn_core.config import Settings, TableLayout
from gnn_core.config.tables import PLAIN
from gnn_core.contracts import CONTRACTS
from gnn_core.experiment.assigning import assignments_table
from gnn_core.experiment.assignment import ASSIGNMENTS
from gnn_core.experiment.rollout_ledger import LEDGER as ROLLOUT_LEDGER
from gnn_core.experiment.rollout_ledger import rollout_table
from gnn_core.io.arrow_types import canonical_type, google_type
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.monitoring.cost import LEDGER as COST_LEDGER
from gnn_core.monitoring.cost import cost_table
from gnn_core.publishing import embeddings
from gnn_core.publishing.schema import RECOMMENDATIONS, ledger_table, live_table
from gnn_core.publishing.state import LEDGER as PUBLISH_LEDGER

CREATE, EXISTS, DIFFERS, RUN = "create", "exists", "differs", "made by a run"


@dataclass(frozen=True)
class Wanted:
    """A table as the platform wants it."""

    table: TableName
    schema: pa.Schema
    layout: TableLayout
    made_by_run: bool = False
    """Written whole by a run, under a name of its own or in one move: an empty one beforehand would say that nobody
    gets anything."""
    what: str = ""

    @property
    def columns(self) -> dict[str, str]:
        """Name → GoogleSQL type."""
        return {field.name: google_type(canonical_type(field.type)) for field in self.schema}


@dataclass(frozen=True)
class Line:
    """One line of the plan."""

    name: str
    state: str
    """CREATE, EXISTS, DIFFERS or RUN."""
    seen: str


def tables_made_beforehand(settings: Settings) -> list[Wanted]:
    """Ledgers, assignments and vectors: tables that rows are added to."""
    layouts = settings.layouts
    vectors = [
        Wanted(
            embeddings.table_of(settings, key),
            schema,
            embeddings.layout_of(settings, key),
            what=f"vectors by run, {key}",
        )
        for key, schema in embeddings.SCHEMAS.items()
    ]
    return [
        Wanted(ledger_table(settings), PUBLISH_LEDGER, PLAIN, what="who was live when"),
        Wanted(rollout_table(settings), ROLLOUT_LEDGER, PLAIN, what="moves of the rollout"),
        Wanted(cost_table(settings), COST_LEDGER, layouts.cost_ledger, what="what runs cost"),
        Wanted(assignments_table(settings), ASSIGNMENTS, layouts.assignments, what="arms of experiments"),
        *vectors,
        Wanted(embeddings.table_of(settings, "live"), embeddings.LIVE, PLAIN, what="which run's vectors are live"),
    ]


def tables_made_by_runs(settings: Settings) -> list[Wanted]:
    """The week's contract tables, the staging table and the live table; names end in the week or the run."""
    work, publish = settings.warehouse.work_dataset, settings.publish
    week = [
        Wanted(
            TableName(work, f"{name}_YYYYMMDD"),
            contract.schema,
            getattr(settings.layouts, name),
            True,
            f"{name} of a week",
        )
        for name, contract in CONTRACTS.items()
    ]
    lists = settings.layouts.recommendations
    return [
        *week,
        Wanted(TableName(work, f"{publish.staging_prefix}__RUN"), RECOMMENDATIONS, lists, True, "candidates of a run"),
        Wanted(live_table(settings), RECOMMENDATIONS, lists, True, "what customers get, by one move of a publish"),
    ]


def plan(warehouse: Warehouse, settings: Settings) -> list[Line]:
    """What is there and what is missing; nothing is changed."""
    lines = []
    for dataset in (settings.warehouse.work_dataset, settings.warehouse.serving_dataset):
        there = warehouse.has_dataset(dataset)
        lines.append(Line(dataset, EXISTS if there else CREATE, "dataset"))
    lines += [_compared(warehouse, wanted) for wanted in tables_made_beforehand(settings)]
    for wanted in tables_made_by_runs(settings):
        lines.append(Line(str(wanted.table), RUN, f"{wanted.what}{_layout(warehouse, wanted.layout)}"))
    return lines


def make_missing(warehouse: Warehouse, settings: Settings) -> None:
    """Create the datasets and tables that are not there; leave the others as they are. May be repeated."""
    for dataset in (settings.warehouse.work_dataset, settings.warehouse.serving_dataset):
        warehouse.ensure_dataset(dataset)
    for wanted in tables_made_beforehand(settings):
        warehouse.create_table(wanted.table, wanted.schema, layout=wanted.layout)


def _compared(warehouse: Warehouse, wanted: Wanted) -> Line:
    name = str(wanted.table)
    if not warehouse.exists(wanted.table):
        return Line(name, CREATE, f"{wanted.what}: {len(wanted.columns)} columns{_layout(warehouse, wanted.layout)}")
    found = warehouse.columns(wanted.table)
    differences = [
        *(f"no column {c} {kind}" for c, kind in wanted.columns.items() if c not in found),
        *(f"column {c} is {found[c]}, not {k}" for c, k in wanted.columns.items() if c in found and found[c] != k),
        *(f"a column {c} that nobody fills" for c in found if c not in wanted.columns),
    ]
    lies = warehouse.layout_of(wanted.table)
    if warehouse.engine == "bigquery" and lies != wanted.layout:
        differences.append(f"{lies} instead of {wanted.layout}")
    return Line(name, DIFFERS, "; ".join(differences)) if differences else Line(name, EXISTS, wanted.what)


def _layout(warehouse: Warehouse, layout: TableLayout) -> str:
    return f", {layout}" if warehouse.engine == "bigquery" else ""
