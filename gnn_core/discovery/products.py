"""Similar products: substitutes, complements and what is merely related, from the embeddings.

What belongs here: who may be a neighbour, of which kind, and how near. What does not: the space (space.py), the table's
rules (sql/discovery).

- A neighbour is eligible, is no variant of the product, and fits a make/model that the product fits too (or one of the
  two is universal): what fits none of one's vehicles is neither an alternative nor an addition.
- substitute: the same part type, and the two are not bought together.
- complement: bought together (as a pair of shocks is), or of another part type and taken by the same people.
- related: of another part type and near in the embeddings, but nobody was seen with both: a guess, and called one.

Shape letters: P products, R rows of a block, K neighbours.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config import Settings
from gnn_core.errors import ShapeError
from gnn_core.graph.copurchase import count_joint_orders
from gnn_core.scoring.rank import top_k_with_rules
from gnn_core.snapshot import Snapshot

KINDS = ("substitute", "complement", "related")
SIMILARITY = pa.schema(
    [
        pa.field("product_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("similar_product_id", pa.string(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),
        pa.field("same_part_type", pa.bool_(), nullable=False),
        pa.field("joint_orders", pa.int64(), nullable=False),
        pa.field("people", pa.int64(), nullable=False),
    ]
)
"""One row a product, kind and neighbour; rank 1 is the nearest of its kind. `people` have an event with both."""
_BLOCK_ROWS = 512
_DECIMALS = 5
"""Of a similarity: beyond these, the order of summation shows."""


def similar_products(
    space_PD: NDArray[np.float32], train: Snapshot, eligible_P: NDArray[np.bool_], settings: Settings
) -> pa.Table:
    """The nearest `discovery.neighbours` products of each kind for every product, ordered by product, kind and rank.

    Args:
        space_PD: rows of `similarity_space`; a similarity of 0 or less is none.
        train: snapshot that the vectors were fitted on.
        eligible_P: products that may be recommended at all; others have neighbours and are none.
    Raises:
        ShapeError: the space is not one row a product.
    """
    n_P = len(train.product_ids)
    if len(space_PD) != n_P:
        raise ShapeError(f"the space has {len(space_PD)} rows, the snapshot {n_P} products")
    joint_PP, people_PP = joint_orders(train), people_with_both(train)
    fits_PS = sparse.csr_matrix(train.fits_SP.T)
    most = settings.discovery.neighbours
    parts: list[pd.DataFrame] = []
    for start in range(0, n_P, _BLOCK_ROWS):
        rows = np.arange(start, min(start + _BLOCK_ROWS, n_P))
        nearness_RP = np.round(space_PD[rows] @ space_PD.T, _DECIMALS).astype(np.float32)
        shared_RP = (fits_PS[rows] @ train.fits_SP).toarray() > 0
        shared_RP |= train.universal_P[rows][:, None] | train.universal_P[None, :]
        may_RP = (nearness_RP > 0) & shared_RP & eligible_P[None, :]
        may_RP &= train.base_P[rows][:, None] != train.base_P[None, :]
        joint_RP = joint_PP[rows].toarray()
        together_RP = joint_RP >= settings.graph.co_purchase_min_count
        same_RP = train.part_type_P[rows][:, None] == train.part_type_P[None, :]
        people_RP = people_PP[rows].toarray()
        substitute_RP = same_RP & ~together_RP
        complement_RP = together_RP | (~same_RP & (people_RP >= settings.discovery.reason_min_people))
        related_RP = ~substitute_RP & ~complement_RP
        for kind, of_kind_RP in zip(KINDS, (substitute_RP, complement_RP, related_RP), strict=True):
            # The list rules keep the best variant of each base product.
            index_RK, _ = top_k_with_rules(
                nearness_RP, may_RP & of_kind_RP, np.zeros_like(may_RP), train.part_type_P, train.base_P, most, most,
                name="product similarity",
            )  # fmt: skip
            row, place = np.nonzero(index_RK >= 0)
            near = index_RK[row, place]
            parts.append(
                pd.DataFrame(
                    {
                        "product_id": train.product_ids[rows[row]],
                        "kind": kind,
                        "rank": place + 1,
                        "similar_product_id": train.product_ids[near],
                        "similarity": np.round(nearness_RP[row, near].astype(np.float64), _DECIMALS),
                        "same_part_type": same_RP[row, near],
                        "joint_orders": joint_RP[row, near].astype(np.int64),
                        "people": people_RP[row, near].astype(np.int64),
                    }
                )
            )
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.sort_values(["product_id", "kind", "rank"], kind="stable", ignore_index=True)
    return pa.Table.from_pandas(frame, schema=SIMILARITY, preserve_index=False)


def joint_orders(train: Snapshot) -> sparse.csr_matrix:
    """(P, P) symmetric: distinct orders that hold both products, nothing pruned."""
    n_P = len(train.product_ids)
    counts = count_joint_orders(train.events.between(None, train.as_of), n_P)
    upper = sparse.csr_matrix((counts.orders_C, (counts.left_C, counts.right_C)), shape=(n_P, n_P))
    return sparse.csr_matrix(upper + upper.T)


def people_with_both(train: Snapshot) -> sparse.csr_matrix:
    """(P, P) symmetric: distinct users with an event of any kind with both products; nothing on the diagonal."""
    events = train.events.between(None, train.as_of)
    shape = (len(train.user_ids), len(train.product_ids))
    touched_UP = sparse.csr_matrix((np.ones(len(events)), (events.user_E, events.product_E)), shape=shape)
    touched_UP.data[:] = 1.0
    both_PP = sparse.csr_matrix(touched_UP.T @ touched_UP)
    both_PP.setdiag(0.0)
    return both_PP
