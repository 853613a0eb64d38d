"""What a product fits as a vector: products that fit the same make/models are close, whoever took them.

What belongs here: fitment → one vector a product. What does not: closeness by what users took (item_graph.py,
spectral.py), how much this counts (intent.py, by_rank.py), which products fit a user (scoring/).

A make/model in a product's list counts by log(P / products that fit it): what fits everything says nothing of it. It
is the only closeness of a product that hardly anybody has taken yet.

Shape letters: S segments, P products, A dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.model.factors import truncated_svd
from gnn_core.model.spectral import SELF_CLOSENESS

_NOTHING = 1e-6
"""Of a singular value, beside rows of length 1: below this it is rounding, and its vector arbitrary."""


def fitment_vectors(fits_SP: sparse.csr_matrix, rank: int, seed: int) -> NDArray[np.float32]:
    """(P, A) vectors whose inner product is about SELF_CLOSENESS times the cosine of what two products fit; A ≤ rank.

    No dimension where fitment tells no product from another.

    Args:
        fits_SP: bool. rank: dimensions at most. seed: of the start of the iteration.
    """
    n_P = fits_SP.shape[1]
    fits_PS = sparse.csr_matrix(fits_SP.T, dtype=np.float64)
    products_S = np.asarray(fits_PS.sum(axis=0)).ravel()
    rows = sparse.csr_matrix(fits_PS @ sparse.diags(np.log(n_P / np.maximum(products_S, 1.0))))
    rows.eliminate_zeros()
    length_P = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scale_P = np.divide(np.sqrt(SELF_CLOSENESS), length_P, out=np.zeros(n_P), where=length_P > 0)
    left, values, _ = truncated_svd(sparse.csr_matrix(sparse.diags(scale_P) @ rows), rank, seed, precision=np.float32)
    kept = values > _NOTHING * values.max(initial=_NOTHING)
    return (left * values)[:, kept].astype(np.float32)
