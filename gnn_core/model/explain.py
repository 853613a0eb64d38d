"""The score of single cells taken apart by path: own events, histories through the item graph, lift of the vehicles.

What belongs here: the arithmetic that history.py and the inner product do, kept apart by term and by product. What does
not: which paths exist as edges, and which is told (explanation/).

Shape letters: R rows, N cells (row, product), J pairs of a cell and a product of its row's history.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.history import TERMS
from gnn_core.model.history import STEEPNESS, HistoryQueries
from gnn_core.model.item_graph import ItemGraph
from gnn_core.snapshot import CART, ORDER, VIEW, Int

Float = NDArray[np.float64]
_OWN = {"viewed": VIEW, "carted": CART, "ordered": ORDER}


def history_pairs(queries: HistoryQueries, row_N: Int) -> tuple[Int, Int, Int]:
    """Cell, product and place in the queries' data of every product in the history of each cell's row."""
    length = np.diff(queries.all_RP.indptr)[row_N].astype(np.int64)
    cell = np.repeat(np.arange(len(row_N)), length)
    start = np.repeat(queries.all_RP.indptr[:-1][row_N], length)
    place = start + np.arange(len(cell)) - np.repeat(np.cumsum(length) - length, length)
    return cell, queries.all_RP.indices[place].astype(np.int64), place.astype(np.int64)


def history_shares(
    queries: HistoryQueries, items: ItemGraph, weight_T: NDArray[np.float32], row_N: Int, product_N: Int
) -> tuple[Float, Int, Int, Float]:
    """What the sparse terms of a history add to single cells.

    Args:
        queries: histories of the rows. weight_T: weights of TERMS.
    Returns:
        own (N,), then cell, product and share of every pair: a term's value is shared out among the products of the
        history by what each adds inside the logarithm.
    """
    weight = dict(zip(TERMS, weight_T.astype(np.float64), strict=True))
    cell_J, via_J, place_J = history_pairs(queries, row_N)
    near_J = _cells(items.near_PP, via_J, product_N[cell_J])
    follows_J = _cells(items.follows_PP, via_J, product_N[cell_J])
    share_J = np.zeros(len(cell_J))
    for name, asked, edge_J in (
        ("near", queries.all_RP, near_J),
        ("near_recent", queries.recent_RP, near_J),
        ("follows", queries.latest_RP, follows_J),
    ):
        part_J = STEEPNESS * asked.data[place_J] * edge_J
        total_N = np.bincount(cell_J, weights=part_J, minlength=len(row_N))
        scale_N = np.divide(np.log1p(total_N), total_N, out=np.zeros(len(row_N)), where=total_N > 0)
        share_J += weight[name] * scale_N[cell_J] * part_J
    own_N = np.zeros(len(row_N))
    for name, kind in _OWN.items():
        own_N += weight[name] * np.log1p(_cells(queries.counts_RP[kind], row_N, product_N))
    own_N += weight["recently"] * np.log1p(_cells(queries.fresh_RP, row_N, product_N))
    return own_N, cell_J, via_J, share_J


def _cells(matrix: sparse.csr_matrix, row: Int, column: Int) -> Float:
    return np.asarray(matrix[row, column], dtype=np.float64).ravel() if len(row) else np.zeros(0)
