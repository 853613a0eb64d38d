"""Cross-vehicle discovery: recommendations whose evidence comes from owners of other vehicles.

What belongs here: the classes, and counting them. What does not: reasons of single rows (explanation/).

A product that no owner of one's own make and model ever touched, and that owners of other vehicles did, is what a
cascade by segment cannot find; the graph reaches it over user → vehicle → product → vehicle → user → product.

Shape letters: N rows of recommendations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.explanation.evidence import GraphEvidence
from gnn_core.snapshot import Snapshot, index_of

OWN_MODEL, OTHER_VEHICLES, NOBODY = "own make and model", "other vehicles only", "nobody yet"
CLASSES = (OWN_MODEL, OTHER_VEHICLES, NOBODY)


@dataclass(frozen=True)
class Discovery:
    """Recommendations by where their evidence comes from."""

    counts: pd.DataFrame
    """source, evidence, rows, users, products."""
    products: pd.DataFrame
    """Products most often recommended on evidence from other vehicles only: product_id, part_type, rows."""
    rows: int
    cross_vehicle_rows: int

    @property
    def share(self) -> float:
        """Share of the rows whose evidence comes from other vehicles only."""
        return self.cross_vehicle_rows / self.rows if self.rows else 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return {
            "rows": self.rows,
            "cross_vehicle_rows": self.cross_vehicle_rows,
            "share": self.share,
            "counts": self.counts.to_dict("records"),
            "products": self.products.to_dict("records"),
        }


def classify(rows: pd.DataFrame, train: Snapshot, evidence: GraphEvidence) -> NDArray[np.object_]:
    """(N,) class of each row, from its `vehicle_id` and `product_id`: any event counts, of any user."""
    vehicle = index_of(rows["vehicle_id"], train.vehicle_ids, "recommendations.vehicle_id")
    product = index_of(rows["product_id"], train.product_ids, "recommendations.product_id")
    key, place = np.unique(train.segment_V[vehicle] * np.int64(len(train.product_ids)) + product, return_inverse=True)
    segment, product = np.divmod(key, len(train.product_ids))
    own = evidence.owners(segment, product) > 0
    touched_P = np.bincount(train.events.product_E, minlength=len(train.product_ids)) > 0
    code = np.where(own, 0, np.where(touched_P[product], 1, 2))
    return np.array(CLASSES, dtype=object)[code][place]


def discover(rows: pd.DataFrame, train: Snapshot, evidence: GraphEvidence, *, shown: int = 10) -> Discovery:
    """Count recommendations by source and class.

    Args:
        rows: user_id, vehicle_id, product_id, part_type, source of a table of recommendations.
        train: snapshot of the same week.
        shown: products listed.
    """
    found = rows.assign(evidence=classify(rows, train, evidence))
    counts = (
        found.groupby(["source", "evidence"])
        .agg(rows=("user_id", "size"), users=("user_id", "nunique"), products=("product_id", "nunique"))
        .reset_index()
    )
    across = found[found["evidence"] == OTHER_VEHICLES]
    products = across.groupby(["product_id", "part_type"]).size().rename("rows").reset_index()
    products = products.sort_values(["rows", "product_id"], ascending=[False, True]).head(shown)
    return Discovery(counts, products, len(found), len(across))
