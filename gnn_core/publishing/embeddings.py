"""Published vectors: versions by run in four tables, and one row that says which run is live.

What belongs here: columns, writing a version, making it live, dropping old ones. What does not: where vectors come from
(scoring/vectors.py), when they may be published (the asset).

    write_version   digest of the rows → each table appended once → read back → equal, or refused
    go_live         the version's digest again → one row replaced in `embedding_live`, in one load
    drop_old        rows of runs that nobody can roll back to, one DELETE a table

A search reads the run id first and asks one table for that run, so products and users never come from two versions; a
version that was written and not made live is seen by nobody. The tables stay, so a vector index on them stays too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

import numpy as np
import pyarrow as pa

from gnn_core.config import Settings, TableLayout
from gnn_core.contracts import TIMESTAMP
from gnn_core.errors import ContractError, PublishRefused, WarehouseError
from gnn_core.io.warehouse import TableName, Warehouse

_S, _VECTOR = pa.string(), pa.list_(pa.float64())
_VERSION = [pa.field("run_id", _S), pa.field("week", pa.date32()), pa.field("model_version", _S)]
PRODUCTS = pa.schema(
    [
        *_VERSION,
        pa.field("product_id", _S),
        pa.field("part_type", _S),
        pa.field("eligible", pa.bool_()),
        pa.field("vector", _VECTOR),
    ]
)
VEHICLES = pa.schema([*_VERSION, pa.field("segment_id", _S), pa.field("make", _S), pa.field("vector", _VECTOR)])
AUDIENCE = pa.schema(
    [
        *_VERSION,
        pa.field("row_id", pa.int64()),
        pa.field("users", pa.int64()),
        pa.field("has_history", pa.bool_()),
        pa.field("vector", _VECTOR),
    ]
)
USERS = pa.schema([*_VERSION, pa.field("user_id", _S), pa.field("row_id", pa.int64())])
LIVE = pa.schema(
    [
        *_VERSION,
        pa.field("published_at", TIMESTAMP),
        pa.field("dimensions", pa.int64()),
        pa.field("products", pa.int64()),
        pa.field("vehicles", pa.int64()),
        pa.field("audience", pa.int64()),
        pa.field("users", pa.int64()),
        pa.field("digest", _S),
    ]
)
SCHEMAS = {"products": PRODUCTS, "vehicles": VEHICLES, "audience": AUDIENCE, "users": USERS}
"""By the table's key in the `embeddings` settings."""
_KEYS = {"products": "product_id", "vehicles": "segment_id", "audience": "row_id", "users": "user_id"}


@dataclass(frozen=True)
class Vectors:
    """One version, whole: every row of the four tables, all of one run."""

    products: pa.Table
    vehicles: pa.Table
    audience: pa.Table
    users: pa.Table

    @property
    def tables(self) -> dict[str, pa.Table]:
        """By key."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def dimensions(self) -> int:
        """Length of every vector.

        Raises:
            ContractError: there are none, or two lengths.
        """
        lengths = {
            int(n)
            for name in ("products", "vehicles", "audience")
            for n in np.unique(np.diff(_offsets(getattr(self, name)["vector"])))
        }
        if len(lengths) != 1:
            raise ContractError(f"embeddings: vectors of {sorted(lengths)} dimensions; a dot product needs one length")
        return lengths.pop()


@dataclass(frozen=True)
class LiveVectors:
    """The row that every reader asks first."""

    run_id: str
    week: dt.date
    model_version: str
    published_at: dt.datetime
    dimensions: int
    products: int
    vehicles: int
    audience: int
    users: int
    digest: str


def table_of(settings: Settings, key: str) -> TableName:
    """`serving.<name>` of `products`, `vehicles`, `audience`, `users` or `live`."""
    return TableName(settings.warehouse.serving_dataset, getattr(settings.embeddings, key))


def layout_of(settings: Settings, key: str) -> TableLayout:
    """Layout of one of the four tables."""
    found: TableLayout = getattr(settings.layouts, f"embedding_{key}")
    return found


def live_vectors(warehouse: Warehouse, settings: Settings) -> LiveVectors | None:
    """Which version is live; None when none ever was.

    Raises:
        WarehouseError: the table holds more than one row: somebody else writes to it.
    """
    table = table_of(settings, "live")
    if not warehouse.exists(table):
        return None
    rows = warehouse.read(table, columns=LIVE.names).to_pylist()
    if len(rows) > 1:
        raise WarehouseError(f"{table} holds {len(rows)} rows instead of one; stop other writers and publish again")
    return LiveVectors(**rows[0]) if rows else None


def write_version(warehouse: Warehouse, settings: Settings, vectors: Vectors) -> str:
    """Append a version to the four tables, unless it is there already; its digest.

    Raises:
        ContractError: columns are not as declared, a key is repeated, a user has no vector, or a value is not finite.
        PublishRefused: the run's rows in the warehouse are others than these: half of them, twice, or another model's.
    """
    run_id = _check(vectors)
    digest = content_digest(vectors)
    warehouse.ensure_dataset(settings.warehouse.serving_dataset)
    for key, rows in vectors.tables.items():
        table, schema = table_of(settings, key), SCHEMAS[key]
        warehouse.create_table(table, schema, layout=layout_of(settings, key))
        if _count(warehouse, table, run_id) == 0:
            warehouse.load(table, rows.cast(schema), replace=False, request=f"{run_id} {digest}")
    found = content_digest(read_version(warehouse, settings, run_id))
    if found != digest:
        raise PublishRefused(
            f"embeddings of run {run_id}: digest {digest[:12]} was written and {found[:12]} is read back. What is live "
            f"has not moved. Publish under a run id of its own; the rows of this one go with the next clearing"
        )
    return digest


def go_live(
    warehouse: Warehouse, settings: Settings, run_id: str, *, expected_digest: str | None, at: dt.datetime
) -> LiveVectors:
    """Make a written version live by replacing one row; repeating it changes nothing but the moment.

    Raises:
        PublishRefused: the version is not there, or not what was written. What is live has not moved.
    """
    if at.tzinfo is None:
        raise WarehouseError(f"published_at {at} has no time zone; give it in UTC")
    vectors = read_version(warehouse, settings, run_id)
    empty = [key for key, rows in vectors.tables.items() if rows.num_rows == 0]
    if empty:
        raise PublishRefused(f"embeddings of run {run_id}: no rows in {', '.join(empty)}; the live ones have not moved")
    digest = content_digest(vectors)
    if expected_digest not in (None, digest):
        raise PublishRefused(f"embeddings of run {run_id}: digest is {digest[:12]}, expected {expected_digest}")
    state = LiveVectors(
        run_id=run_id,
        week=vectors.products["week"][0].as_py(),
        model_version=vectors.products["model_version"][0].as_py(),
        published_at=at,
        dimensions=vectors.dimensions,
        digest=digest,
        **{key: rows.num_rows for key, rows in vectors.tables.items()},
    )
    warehouse.load(table_of(settings, "live"), pa.Table.from_pylist([asdict(state)], schema=LIVE))
    return state


def has_version(warehouse: Warehouse, settings: Settings, run_id: str) -> bool:
    """Whether a run's vectors are kept."""
    table = table_of(settings, "products")
    return warehouse.exists(table) and _count(warehouse, table, run_id) > 0


def read_version(warehouse: Warehouse, settings: Settings, run_id: str) -> Vectors:
    """The rows of one run, in any order."""
    return Vectors(
        **{
            key: warehouse.query(
                f"SELECT {', '.join(SCHEMAS[key].names)} FROM {{t}} WHERE run_id = @run",
                tables={"t": table_of(settings, key)},
                parameters={"run": run_id},
                label=f"embeddings {key}",
            ).cast(SCHEMAS[key])
            for key in SCHEMAS
        }
    )


def drop_old(warehouse: Warehouse, settings: Settings, good_runs: Iterable[str]) -> None:
    """Keep the live run and the last `embeddings.keep_versions` of `good_runs` (oldest first); delete the others."""
    live = live_vectors(warehouse, settings)
    kept = list(good_runs)[-settings.embeddings.keep_versions :]
    if live is not None and live.run_id not in kept:
        kept.append(live.run_id)
    if not kept:
        return
    for table in (table_of(settings, key) for key in SCHEMAS):
        if warehouse.exists(table):
            warehouse.delete_except(table, "run_id", kept)


def content_digest(vectors: Vectors) -> str:
    """SHA-256 over every table in key order, all 64 bits of each number; independent of the order of rows."""
    whole = hashlib.sha256(b"embeddings digest 1\n")
    for key, rows in vectors.tables.items():
        ordered = rows.select(SCHEMAS[key].names).sort_by(_KEYS[key])
        whole.update(f"{key} {ordered.num_rows}\n".encode())
        for name in ordered.column_names:
            column = ordered[name].combine_chunks()
            if name == "vector":
                whole.update(_offsets(ordered[name]).astype("<i8").tobytes())
                whole.update(_flat(ordered[name]).astype("<f8").tobytes())
            else:
                whole.update("\x1f".join(map(str, column.to_pylist())).encode() + b"\n")
    return whole.hexdigest()


def _check(vectors: Vectors) -> str:
    """The one run of a sound version."""
    wrong: list[str] = []
    runs: set[str] = set()
    for key, rows in vectors.tables.items():
        if rows.column_names != SCHEMAS[key].names:
            raise ContractError(f"embeddings {key}: columns are {rows.column_names}, declared {SCHEMAS[key].names}")
        runs |= set(rows["run_id"].unique().to_pylist())
        wrong += [f"{key}.{name} has nulls" for name in rows.column_names if rows[name].null_count]
        if len(rows[_KEYS[key]].unique()) < rows.num_rows:
            wrong.append(f"{key}.{_KEYS[key]} repeats a value")
        if rows.num_rows == 0:
            wrong.append(f"{key} has no rows")
        if "vector" in rows.column_names and not np.isfinite(_flat(rows["vector"])).all():
            wrong.append(f"{key}.vector holds a value that is not finite")
    strangers = set(vectors.users["row_id"].to_pylist()) - set(vectors.audience["row_id"].to_pylist())
    if strangers:
        wrong.append(f"users name {len(strangers)} row(s) that audience does not have, such as {min(strangers)}")
    if len(runs) > 1:
        wrong.append(f"rows of runs {sorted(runs)}; a version is of one")
    if wrong:
        raise ContractError("embeddings: " + "; ".join(wrong))
    _ = vectors.dimensions
    return runs.pop()


def _count(warehouse: Warehouse, table: TableName, run_id: str) -> int:
    rows = warehouse.query(
        "SELECT COUNT(*) AS n FROM {t} WHERE run_id = @run", tables={"t": table}, parameters={"run": run_id},
        label=f"rows of {table}",
    )  # fmt: skip
    return int(rows["n"][0].as_py())


def _offsets(column: pa.ChunkedArray) -> np.ndarray:
    lengths = np.concatenate([[0], *(np.diff(chunk.offsets.to_numpy()) for chunk in column.chunks)])
    return np.cumsum(lengths)


def _flat(column: pa.ChunkedArray) -> np.ndarray:
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.zeros(0)
