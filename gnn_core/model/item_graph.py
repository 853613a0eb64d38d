"""Products over products: what the same users took, and what came after what.

What belongs here: the item graph, pruned and factorised, from events. What does not: whose history asks it
(history.py).

Shape letters: U users, P products, E events, I dimensions of the factorisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.history import HistorySettings
from gnn_core.model.factors import truncated_svd
from gnn_core.model.item_weights import regressed
from gnn_core.model.shrinkage import largest_of_each_row
from gnn_core.snapshot import Events, Int

_BLOCK_PRODUCTS = 1024


@dataclass(frozen=True)
class ItemGraph:
    """Two kinds of edges from a product to others, and both together as an inner product."""

    near_PP: sparse.csr_matrix
    """Row: what a history has; column: what it says something of. What it counts beside the column's other nearest, or
    the cosine over users without `history.regressors`."""
    follows_PP: sparse.csr_matrix
    """Row: what was taken before; column: what came after."""
    left_PI: NDArray[np.float32]
    right_PI: NDArray[np.float32]
    """left @ right.T ≈ near + follows."""


def build_item_graph(
    events: Events,
    weight_E: NDArray[np.float64],
    shape: tuple[int, int],
    settings: HistorySettings,
    *,
    rank: int,
    seed: int,
) -> ItemGraph:
    """The item graph of all given events.

    Args:
        events: of any order. weight_E: weight of each event by its kind, undecayed.
        shape: (users, products).
        rank: of the factorisation; 0 leaves it out.
    """
    near = regressed(near_products(events, weight_E, shape, settings), events, shape, settings)
    follows = following_products(events, weight_E, shape[1], settings)
    left, values, right = truncated_svd(sparse.csr_matrix(near + follows), rank, seed, precision=np.float32)
    half = np.sqrt(values)
    return ItemGraph(near, follows, (left * half).astype(np.float32), (right * half).astype(np.float32))


def near_products(
    events: Events, weight_E: NDArray[np.float64], shape: tuple[int, int], settings: HistorySettings
) -> sparse.csr_matrix:
    """(P, P) cosine of log weights over users, each user divided by the root of how many products they touched:

        x_ui = log(1 + Σ weight) / sqrt(n_u),   near_ij = Σ_u x_ui x_uj / (|log weights_i| |log weights_j| + shrinkage)

    Somebody who bought the whole catalogue says nothing about any pair of it. Source of the idea: the symmetric
    normalisation of LightGCN (He et al. 2020) and GF-CF (Shen et al. 2021), by users only.
    """
    x_UP = sparse.csr_matrix((weight_E, (events.user_E, events.product_E)), shape=shape)
    x_UP.sum_duplicates()
    x_UP = x_UP[np.flatnonzero(np.diff(x_UP.indptr))]
    x_UP.data = np.log1p(x_UP.data)
    norm_P = np.sqrt(np.asarray(x_UP.multiply(x_UP).sum(axis=0)).ravel())
    touched_U = np.diff(x_UP.indptr)
    x_UP.data = x_UP.data / np.sqrt(np.repeat(touched_U, touched_U))
    x_PU = x_UP.T.tocsr()
    touched_P = np.flatnonzero(np.diff(x_PU.indptr))
    blocks = []
    for start in range(0, len(touched_P), _BLOCK_PRODUCTS):
        rows = touched_P[start : start + _BLOCK_PRODUCTS]
        joint = sparse.coo_matrix(x_PU[rows] @ x_UP)
        other = joint.col != rows[joint.row]
        row, column = joint.row[other], joint.col[other]
        value = joint.data[other] / (norm_P[rows[row]] * norm_P[column] + settings.closeness_shrinkage)
        block = _without_the_weak(sparse.csr_matrix((value, (row, column)), shape=joint.shape), settings.neighbours)
        block = largest_of_each_row(block, settings.neighbours)
        blocks.append((block, rows))
    return _spread(blocks, shape[1])


def following_products(
    events: Events, weight_E: NDArray[np.float64], n_products: int, settings: HistorySettings
) -> sparse.csr_matrix:
    """(P, P) how often a product is taken within the next few events after another, over the root of both totals.

    What happens at one moment is one basket and follows nothing in it.
    """
    # Down to the weight: a product viewed and ordered at one moment must not depend on the order of the rows.
    order = np.lexsort((weight_E, events.product_E, events.ts_E, events.user_E))
    user, product, ts = events.user_E[order], events.product_E[order], events.ts_E[order]
    weight = weight_E[order] / max(float(weight_E.max(initial=0.0)), 1e-12)
    rows, columns, values = [], [], []
    for step in range(1, min(settings.longest_step, max(len(user) - 1, 0)) + 1):
        later = np.flatnonzero(
            (user[step:] == user[:-step]) & (ts[step:] > ts[:-step]) & (product[step:] != product[:-step])
        )
        rows.append(product[later])
        columns.append(product[later + step])
        values.append(weight[later + step] / step)
    if not rows:
        return sparse.csr_matrix((n_products, n_products))
    pairs = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    count = sparse.csr_matrix(pairs, shape=(n_products, n_products))
    count.sum_duplicates()
    out_P, in_P = (np.asarray(count.sum(axis=a)).ravel() for a in (1, 0))
    row = np.repeat(np.arange(n_products), np.diff(count.indptr))
    count.data = count.data / (np.sqrt(out_P[row] * in_P[count.indices]) + settings.closeness_shrinkage)
    return largest_of_each_row(count, settings.neighbours)


def _without_the_weak(matrix: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """The entries of each row that are no smaller than its `most`-th largest: what is left is quick to sort."""
    kept = np.ones(matrix.nnz, dtype=bool)
    for r in np.flatnonzero(np.diff(matrix.indptr) > most):
        entries = slice(matrix.indptr[r], matrix.indptr[r + 1])
        least = np.partition(matrix.data[entries], -most)[-most]
        kept[entries] = matrix.data[entries] >= least
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return sparse.csr_matrix((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)


def _spread(blocks: list[tuple[sparse.csr_matrix, Int]], n_products: int) -> sparse.csr_matrix:
    parts = [block.tocoo() for block, _ in blocks]
    if not parts:
        return sparse.csr_matrix((n_products, n_products))
    row = np.concatenate([rows[part.row] for part, (_, rows) in zip(parts, blocks, strict=True)])
    column = np.concatenate([part.col for part in parts])
    value = np.concatenate([part.data for part in parts])
    return sparse.csr_matrix((value, (row, column)), shape=(n_products, n_products))
