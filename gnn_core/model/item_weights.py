"""How much each of a product's nearest says of it beside the others: one small ridge regression a product.

What belongs here: nearest products → weights. What does not: which products are nearest (item_graph.py), whose history
asks them (history.py).

Closeness counts the same joint users once for every neighbour that has them: ten variants of one part would speak ten
times. A regression lets them share.

Shape letters: U users, P products, N regressors of one product.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import solve
from threadpoolctl import threadpool_limits

from gnn_core.config.history import HistorySettings
from gnn_core.model.shrinkage import largest_of_each_row
from gnn_core.snapshot import Events


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
    x_UP = sparse.csr_matrix((np.ones(len(events)), (events.user_E, events.product_E)), shape=shape)
    x_UP.sum_duplicates()
    x_UP.data = np.ones_like(x_UP.data)
    x_PU = x_UP.T.tocsr()
    nearest = largest_of_each_row(near_PP, settings.regressors)
    nearest.sort_indices()
    weights = np.zeros(nearest.nnz)
    # More BLAS threads would change the last bits.
    with threadpool_limits(1, user_api="blas"):
        for j in np.flatnonzero(np.diff(nearest.indptr)):
            entries = slice(nearest.indptr[j], nearest.indptr[j + 1])
            x_NU = x_PU[nearest.indices[entries]]
            gram_NN = (x_NU @ x_NU.T).toarray()
            gram_NN[np.diag_indices_from(gram_NN)] += settings.regression_penalty
            joint_N = (x_NU @ x_PU[j].T).toarray()[:, 0]
            weights[entries] = solve(gram_NN, joint_N, assume_a="pos", overwrite_a=True, check_finite=False)
    explained = sparse.csr_matrix((np.maximum(weights, 0.0), nearest.indices, nearest.indptr), shape=near_PP.shape)
    explained.eliminate_zeros()
    return explained.T.tocsr()
