"""The vectors of a fitted graph model, ready to be published: one dot product serves them.

What belongs here: from model and snapshot to rows. What does not: tables and versions (publishing/embeddings.py).

For a user without history, the dot product with a product's vector is the model's score. For a user with history the
model adds terms of that history (own events, nearest products), which no vector can hold: for them the dot product
leaves these out. Users without history who own the same vehicles share one vector.

Shape letters: P products, S segments, A audience rows, U users, O width.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.publishing.embeddings import AUDIENCE, PRODUCTS, USERS, VEHICLES, Vectors
from gnn_core.scoring.audience import build_audience, segment_audience
from gnn_core.snapshot import Snapshot

if TYPE_CHECKING:
    from gnn_core.model.recommender import GraphRecommender


def vectors_of(
    model: GraphRecommender,
    train: Snapshot,
    eligible_P: NDArray[np.bool_],
    *,
    run_id: str,
    week: dt.date,
    model_version: str,
) -> Vectors:
    """Every product's, segment's and user's vector of a model that was fitted on `train`."""
    users = np.arange(len(train.user_ids))
    audience, row_U = build_audience(train, users)
    warm_A = np.zeros(len(audience), dtype=bool)
    warm_A[audience.history.user_E] = True
    version = {"run_id": run_id, "week": week, "model_version": model_version}
    return Vectors(
        products=_table(
            PRODUCTS,
            version,
            product_id=train.product_ids.tolist(),
            part_type=train.part_types[train.part_type_P].tolist(),
            eligible=eligible_P,
            vector=_lists(model.product_vectors()),
        ),
        vehicles=_table(
            VEHICLES,
            version,
            segment_id=train.segment_ids.tolist(),
            make=train.make_ids[train.make_S].tolist(),
            vector=_lists(model.user_vectors(segment_audience(train))),
        ),
        audience=_table(
            AUDIENCE,
            version,
            row_id=np.arange(len(audience)),
            users=np.bincount(row_U, minlength=len(audience)),
            has_history=warm_A,
            vector=_lists(model.user_vectors(audience)),
        ),
        users=_table(USERS, version, user_id=train.user_ids.tolist(), row_id=row_U),
    )


def _table(schema: pa.Schema, version: dict[str, object], **columns: object) -> pa.Table:
    rows = len(columns[schema.names[3]])  # type: ignore[arg-type]
    values = {name: [value] * rows for name, value in version.items()} | columns
    return pa.table([pa.array(values[name], schema.field(name).type) for name in schema.names], schema=schema)


def _lists(values_NO: NDArray[np.float32]) -> pa.Array:
    """Rows as lists of 64-bit floats: what an index takes, and every 32-bit float exactly."""
    rows, width = values_NO.shape
    offsets = pa.array(np.arange(0, (rows + 1) * width, width), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(values_NO.astype(np.float64).ravel()))
