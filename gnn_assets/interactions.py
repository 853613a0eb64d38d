"""Interaction facts as files of an artifact, and the events of a week that are read back from them.

What belongs here: writing and reading. What does not: how facts come about (gnn_core/graph/refresh.py), when they are
made (assets/facts.py), who reads them (resources.py, through the week's snapshot).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from gnn_core.graph.refresh import Facts
from gnn_core.io.artifacts import Artifact, parquet_bytes

FACTS = "interaction_facts"
"""The artifact and the asset."""
_S = pa.string()
ROWS = pa.schema(
    [
        pa.field("ts", pa.int64()),
        pa.field("user_id", _S),
        pa.field("product_id", _S),
        pa.field("kind", pa.int64()),
        pa.field("order_id", _S),
        pa.field("quantity", pa.int64()),
        pa.field("n", pa.int64()),
    ]
)
JOINT = pa.schema([pa.field("left_id", _S), pa.field("right_id", _S), pa.field("orders", pa.int64())])


def as_files(facts: Facts) -> dict[str, bytes]:
    """Rows and pairs; equal facts give equal bytes, however they came about."""
    return {
        "rows.parquet": parquet_bytes(pa.Table.from_pandas(facts.rows, schema=ROWS, preserve_index=False)),
        "joint.parquet": parquet_bytes(pa.Table.from_pandas(facts.joint, schema=JOINT, preserve_index=False)),
    }


def from_artifact(artifact: Artifact, as_of: np.datetime64, fingerprint: str) -> Facts:
    """Facts of an artifact.

    Args:
        as_of: of the week that the artifact is of.
        fingerprint: of the settings that it was made with, which its reader has compared.
    """
    rows, joint = (artifact.table(f"{name}.parquet").to_pandas() for name in ("rows", "joint"))
    return Facts(rows, joint, as_of, fingerprint)
