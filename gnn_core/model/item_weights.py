"""How much each of a product's nearest says of it beside the others: one small ridge regression a product.

What belongs here: nearest products → weights. What does not: which products are nearest (item_graph.py), whose history
asks them (history.py).

Closeness counts the same joint users once for every neighbour that has them: ten variants of one part would speak ten
times. A regression lets them share.

Shape letters: U users, P products, N regressors of one product.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from gnn_core.config.history import HistorySettings
from gnn_core.model.shrinkage import largest_of_each_row
from gnn_core.snapshot import Events, Int

_WHOLE_PRODUCTS = 5_000
"""Up to here joint users of all pairs are held as a whole matrix: 100 MB."""
_PAIRS_A_PRODUCT = 1_000
"""Up to here joint users of all pairs are held as a sparse one."""


def regressed(
    near_PP: sparse.csr_matrix, events: Events, shape: tuple[int, int], settings: HistorySettings
) -> sparse.csr_matrix:
    """(P, P) weight of each near product (row) for a product (column), from who touched what:

        X = 0/1, users × products;   w_j = argmin_w |X_j − X_N w|² + penalty |w|²,   N = the nearest of j

    which is (X_Nᵀ X_N + penalty I)⁻¹ X_Nᵀ X_j: EASE (Steck 2019) with each product's own few regressors in place of the
    whole catalogue, so that the cost grows with the products and not with their cube. Weights below 0 are left out: a
    history says what somebody wants, and the terms that read it take a logarithm.

    Args:
        near_PP: closeness; of its row, a product's nearest come first, ties by lower product.
        events: those that closeness was made of.
        shape: (users, products).
    """
    if not settings.regressors or not near_PP.nnz:
        return near_PP
    x_UP = sparse.csr_matrix((np.ones(len(events), np.float32), (events.user_E, events.product_E)), shape=shape)
    x_UP.sum_duplicates()
    x_UP.data = np.ones_like(x_UP.data)
    joint_users = _joint_users(x_UP)
    nearest = largest_of_each_row(near_PP, settings.regressors)
    nearest.sort_indices()
    weights = np.zeros(nearest.nnz)
    # More BLAS threads would change the last bits.
    with threadpool_limits(1, user_api="blas"):
        for j in np.flatnonzero(np.diff(nearest.indptr)):
            entries = slice(nearest.indptr[j], nearest.indptr[j + 1])
            regressor_N = nearest.indices[entries]
            among = joint_users(np.append(regressor_N, j), regressor_N).astype(np.float64)
            gram_NN, joint_N = among[:-1], among[-1]
            gram_NN.reshape(-1)[:: len(regressor_N) + 1] += settings.regression_penalty
            # Counts plus a positive diagonal always have a factor.
            weights[entries] = lapack.dposv(gram_NN.T, joint_N, overwrite_a=True)[1]
    explained = sparse.csr_matrix((np.maximum(weights, 0.0), nearest.indices, nearest.indptr), shape=near_PP.shape)
    explained.eliminate_zeros()
    return explained.T.tocsr()


def _joint_users(x_UP: sparse.csr_matrix) -> Callable[[Int, Int], NDArray[np.float32]]:
    """(R, N) how many users touched both a row's and a column's product, whichever way is the quickest for the store.

    Counts are exact in single precision up to 2^24. A hundred columns take some 20 µs from a whole matrix, 200 µs from
    the rows of a sparse one where these are short, and 800 µs from the users of the products.
    """
    n_P = x_UP.shape[1]
    if n_P <= _WHOLE_PRODUCTS:
        whole_PP = (x_UP.T @ x_UP).toarray()
        return lambda row_R, column_N: whole_PP[np.ix_(row_R, column_N)]
    if np.sum(np.diff(x_UP.indptr).astype(np.float64) ** 2) <= _PAIRS_A_PRODUCT * n_P:
        return _Picked(sparse.csr_matrix(x_UP.T @ x_UP))
    x_PU = x_UP.T.tocsr()
    return lambda row_R, column_N: (x_PU[row_R] @ x_PU[column_N].T).toarray()


class _Picked:
    """Rows and columns of a sparse matrix as a dense one; twice as fast as scipy's indexing."""

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        self._matrix, self._place_P = matrix, np.full(matrix.shape[1], -1, dtype=np.int32)

    def __call__(self, row_R: Int, column_N: Int) -> NDArray[np.float32]:
        matrix = self._matrix
        self._place_P[column_N] = np.arange(len(column_N))
        first_R, last_R = matrix.indptr[row_R], matrix.indptr[row_R + 1]
        parts = [matrix.indices[first:last] for first, last in zip(first_R.tolist(), last_R.tolist(), strict=True)]
        place_K = self._place_P[np.concatenate(parts)]
        kept = np.flatnonzero(place_K >= 0)
        end_R = np.cumsum(last_R - first_R)
        own = np.searchsorted(end_R, kept, side="right")
        found = np.zeros((len(row_R), len(column_N)), dtype=np.float32)
        found[own, place_K[kept]] = matrix.data[kept + (last_R - end_R)[own]]
        self._place_P[column_N] = -1
        return found
