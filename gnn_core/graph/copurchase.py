"""Product–product edges from joint orders: unpruned counts, and the pruned symmetric edges derived from them.

What belongs here: counting distinct joint orders, the threshold, the degree cap.
What does not: edge tensors (hetero.py), item–item factors (model/factors.py).

A joint order is one order id that holds both products. A store whose orders carry no id has no baskets, and gets no
co-purchase edge: that one customer bought both at some time is already two hops in the graph
(product → user → product), and calling it a basket would count the same evidence twice.

Shape letters: E events, C pairs of products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.learning import GraphSettings
from gnn_core.snapshot import ORDER, Events, Int


@dataclass(frozen=True)
class CoPurchaseCounts:
    """Distinct joint orders of each pair of products; left < right, sorted by (left, right), nothing pruned."""

    left_C: Int
    right_C: Int
    orders_C: Int

    def __len__(self) -> int:
        return len(self.left_C)


@dataclass(frozen=True)
class CoPurchaseEdges:
    """Symmetric directed edges, sorted by (source, target), with weight log(1 + joint orders)."""

    source_C: Int
    target_C: Int
    weight_C: NDArray[np.float64]


def count_joint_orders(events: Events, n_products: int) -> CoPurchaseCounts:
    """Count, for each pair of products, the distinct orders that hold both; several lines of one order count once."""
    in_basket = (events.kind_E == ORDER) & (events.order_E >= 0)
    order_E, product_E = events.order_E[in_basket], events.product_E[in_basket]
    order_codes, row_E = np.unique(order_E, return_inverse=True)
    shape = (len(order_codes), n_products)
    baskets = sparse.csr_matrix((np.ones(len(row_E), dtype=np.int64), (row_E, product_E)), shape=shape)
    baskets.data[:] = 1
    joint = sparse.triu(baskets.T @ baskets, k=1).tocsr()
    joint.sort_indices()
    pairs = joint.tocoo()
    return CoPurchaseCounts(pairs.row.astype(np.int64), pairs.col.astype(np.int64), pairs.data.astype(np.int64))


def prune(counts: CoPurchaseCounts, n_products: int, settings: GraphSettings) -> CoPurchaseEdges:
    """Keep pairs with enough joint orders that are among the strongest of *both* their products.

    Each product ranks its partners by joint orders, ties by lower product index, and keeps at most
    `co_purchase_max_neighbours`. An edge stays when both ends keep it: of the symmetric rules this is the one that
    holds the cap for every product; keeping it when either end does would give a best seller thousands of neighbours.
    """
    enough = counts.orders_C >= settings.co_purchase_min_count
    left, right, orders = counts.left_C[enough], counts.right_C[enough], counts.orders_C[enough]
    source, target, n = np.r_[left, right], np.r_[right, left], np.r_[orders, orders]
    by_strength = np.lexsort((target, -n, source))
    source, target, n = source[by_strength], target[by_strength], n[by_strength]
    first = np.searchsorted(source, source, side="left")
    listed = (np.arange(len(source)) - first) < settings.co_purchase_max_neighbours
    key, mirrored = source * np.int64(n_products) + target, target * np.int64(n_products) + source
    mutual = listed & np.isin(mirrored, key[listed])
    kept = np.flatnonzero(mutual)[np.argsort(key[mutual], kind="stable")]
    return CoPurchaseEdges(source[kept], target[kept], np.log1p(n[kept].astype(np.float64)))
