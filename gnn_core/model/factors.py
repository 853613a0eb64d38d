"""Constants of the score: what the paths of the graph say, weighed and factorised, before any gradient step.

What belongs here: matrices → inner products. What does not: the paths (paths.py), their weights (preference.py,
intent.py), anything learned by gradient (network.py).

The basis of a factorisation is arbitrary and changes with the data, so these vectors are only ever scaled and added,
never mixed by a learned matrix: scores depend on their inner products alone, which keeps folds and weeks comparable.

Shape letters: S segments, P products, D vehicle factors, K product features, I item factors, F spectral factors,
A dimensions of fitment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Factors:
    """Constants of the network; every array float32."""

    vehicle_SD: NDArray[np.float32]
    product_PD: NDArray[np.float32]
    """vehicle · product ≈ how far the lift of the product for this vehicle is from its mean over vehicles."""
    product_PK: NDArray[np.float32]
    """Features of the product; the last is the mean lift."""
    left_PI: NDArray[np.float32]
    right_PI: NDArray[np.float32]
    """left (of what a user took) · right ≈ how close a product is to it in the item graph."""
    in_PF: NDArray[np.float32]
    out_PF: NDArray[np.float32]
    """in (of what a user took) · out = how close a product is to it in the smooth part of the graph."""
    fitment_PA: NDArray[np.float32]
    """fitment (of what a user took) · fitment = how much of what a product fits they share."""


def factorise_lift(lift_SP: NDArray[np.float32], rank: int, seed: int) -> tuple[Float, Float, Float]:
    """(S, D), (P, D) and (P,): factors of what is left of the lift after the mean over vehicles, and that mean."""
    mean_P = lift_SP.mean(axis=0, dtype=np.float64) if len(lift_SP) else np.zeros(lift_SP.shape[1])
    left, values, right = truncated_svd(lift_SP - mean_P.astype(np.float32), rank, seed)
    half = np.sqrt(values)
    return left * half, right * half, mean_P


def truncated_svd(
    matrix: sparse.csr_matrix | NDArray[np.float32],
    rank: int,
    seed: int,
    passes: int = 5,
    precision: DTypeLike = np.float64,
) -> tuple[Float, Float, Float]:
    """Leading singular triplets by randomised subspace iteration: (rows, rank), (rank,) descending, (columns, rank).

    Deterministic for a seed on a pinned number of torch threads; missing rank is filled with zeros. A sparse matrix is
    worked on in the given precision.
    Source: Halko, Martinsson & Tropp (2011), algorithm 4.4.
    """
    n_rows, n_columns = matrix.shape
    width = min(rank + 8, n_rows, n_columns)
    left, values, right = np.zeros((n_rows, rank)), np.zeros(rank), np.zeros((n_columns, rank))
    # A dense matrix stays in single precision: segments × products is the largest array of a fit.
    wide = matrix.astype(precision).tocsr() if isinstance(matrix, sparse.csr_matrix) else matrix
    if width == 0 or rank == 0 or not abs(wide).sum():
        return left, values, right
    tall = wide.T.tocsr() if isinstance(wide, sparse.csr_matrix) else wide.T
    basis = np.random.default_rng(seed).standard_normal((n_columns, width)).astype(wide.dtype)
    for _ in range(passes):
        basis = _orthonormal(tall @ (wide @ basis))
    u, s, vt = torch.linalg.svd(torch.from_numpy(wide @ basis), full_matrices=False)
    kept = min(rank, width)
    left[:, :kept], values[:kept] = u.numpy()[:, :kept], s.numpy()[:kept]
    right[:, :kept] = basis @ vt.numpy().T[:, :kept]
    return left, values, right


def _orthonormal(columns: Float) -> Float:
    return torch.linalg.qr(torch.from_numpy(np.ascontiguousarray(columns)))[0].numpy()
