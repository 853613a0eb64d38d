"""The long `recommendations` table: columns, types, closed sets, and the names of the tables around it.

What belongs here: what a row looks like, and how staging, version, live, view and ledger tables are called.
What does not: whether the rows are right (audit.py), how they are moved (publisher.py).
"""

from __future__ import annotations

import re

import pyarrow as pa

from gnn_core.config import Settings
from gnn_core.contracts import TIMESTAMP
from gnn_core.errors import ContractError
from gnn_core.io.warehouse import TableName

SOURCES = ("hybrid", "sql_v5.17", "sql_v5.18", "smoother")
"""Policies whose lists may be published."""
TIERS = ("cold", "warm", "hot")
"""Engagement at the cutoff: no event, views only, a cart or an order."""
PROOFS = ("fitment", "universal")
"""Why a product may stand beside a vehicle: a year/make/model row, or it fits everything."""
REASON_PATHS = ("own", "bought_together", "taken_together", "owners", "other_owners", "fits", "universal")
"""Along which path of the graph a row's reason speaks; explanation/edges.py names the edges of each."""
VIA_PATHS = ("bought_together", "taken_together")
"""Paths through another product that the user knows, `reason_product_id`."""
EVENT_PATHS = ("own", *VIA_PATHS)
"""Paths that begin with an event of the user, `reason_event`."""
WIDE_SLOTS = 4
"""Slots that the wide view can show; a fifth would be published and never read."""

_S = pa.string()
RECOMMENDATIONS = pa.schema(
    [
        pa.field("run_id", _S, nullable=False),
        pa.field("user_id", _S, nullable=False),
        pa.field("vehicle_id", _S, nullable=False),
        pa.field("slot", pa.int64(), nullable=False),
        pa.field("product_id", _S, nullable=False),
        pa.field("final_score", pa.float64(), nullable=False),
        pa.field("sql_score", pa.float64()),
        pa.field("gnn_score", pa.float64()),
        pa.field("source", _S, nullable=False),
        pa.field("reason", _S, nullable=False),
        pa.field("reason_path", _S, nullable=False),
        pa.field("reason_event", _S),
        pa.field("reason_product_id", _S),
        pa.field("price", pa.float64(), nullable=False),
        pa.field("part_type", _S, nullable=False),
        pa.field("image_url", _S, nullable=False),
        pa.field("fitment_proof", _S, nullable=False),
        pa.field("engagement_tier", _S, nullable=False),
        pa.field("arm", _S),
        pa.field("pipeline_version", _S, nullable=False),
        pa.field("scored_at", TIMESTAMP, nullable=False),
    ]
)
"""One row a user and slot. Price in USD; slot 1 is the best; scores are those of `source`, higher is better. `arm` is
the user's in the running experiment, which the e-mail system copies into its sends; null without one. `reason` is for
the customer; `reason_path`, `reason_event` and `reason_product_id` are the same as data (explanation/edges.py)."""

OUTSIDE_DIGEST = ("run_id", "scored_at")
"""Columns that name the run and say nothing about what is recommended."""
REQUIRED = tuple(f.name for f in RECOMMENDATIONS if not f.nullable)
_GOOGLESQL = {_S: "STRING", pa.int64(): "INT64", pa.float64(): "FLOAT64", TIMESTAMP: "TIMESTAMP"}
DECLARED_TYPES = {f.name: _GOOGLESQL[f.type] for f in RECOMMENDATIONS}
"""Column name → GoogleSQL type, in order: what `Warehouse.columns` must answer."""


def conform_rows(rows: pa.Table) -> pa.Table:
    """The same rows under the declared schema; nothing is converted, reordered or filled in.

    Raises:
        ContractError: names or order of columns, a type, or a null in a required column differ; names them all.
    """
    if rows.column_names != RECOMMENDATIONS.names:
        raise ContractError(f"recommendations: columns are {rows.column_names}, declared are {RECOMMENDATIONS.names}")
    wrong = [
        f"{f.name} is {rows[f.name].type}, declared {f.type}" for f in RECOMMENDATIONS if rows[f.name].type != f.type
    ]
    wrong += [
        f"{name} is null in {rows[name].null_count} row(s)" for name in REQUIRED if rows[name].null_count
    ]  # the warehouse would store the null: column modes are not enforced by every engine
    if wrong:
        raise ContractError("recommendations: " + "; ".join(wrong))
    return pa.table(rows.columns, schema=RECOMMENDATIONS)


def staging_table(settings: Settings, run_id: str) -> TableName:
    """Where the candidates of a run wait for the audit: `work.<staging_prefix>__<run id>`."""
    return TableName(settings.warehouse.work_dataset, f"{settings.publish.staging_prefix}__{sanitised(run_id)}")


def live_table(settings: Settings) -> TableName:
    """The one table that is moved, `serving.<table>`."""
    return TableName(settings.warehouse.serving_dataset, settings.publish.table)


def wide_view(settings: Settings) -> TableName:
    """The view on the live table that the e-mail system reads: one row a user."""
    return TableName(settings.warehouse.serving_dataset, settings.publish.view)


def paths_view(settings: Settings) -> TableName:
    """The view on the live table that lists the typed edges behind every reason."""
    return TableName(settings.warehouse.serving_dataset, f"{settings.publish.table}_paths")


def version_table(settings: Settings, run_id: str) -> TableName:
    """The kept copy of what a run published: `serving.<table>__v_<run id>`."""
    return TableName(settings.warehouse.serving_dataset, f"{settings.publish.table}__v_{sanitised(run_id)}")


def ledger_table(settings: Settings) -> TableName:
    """Who was live when: `serving.<ledger>`."""
    return TableName(settings.warehouse.serving_dataset, settings.publish.ledger)


def is_run_id(text: str) -> bool:
    """Whether a table can be named after this run."""
    return re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", text) is not None


def sanitised(run_id: str) -> str:
    """A run id as part of a table name: every other character becomes `_`.

    Two run ids may meet in one name (`a.b` and `a_b`); the publisher refuses the second of them.

    Raises:
        ContractError: the run id is empty, longer than 64 characters, or holds other characters than those allowed.
    """
    if not is_run_id(run_id):
        raise ContractError(f"run id {run_id!r}: 1 to 64 letters, digits and any of _ . : - are allowed")
    return re.sub(r"[^A-Za-z0-9_]", "_", run_id)
