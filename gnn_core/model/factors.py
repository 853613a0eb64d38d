"""Factorised starting points: what a vehicle's owners order beyond the average, and which products go together.

What belongs here: constants computed from counts by linear algebra, before any gradient step.
What does not: anything learned by gradient (network.py).

The basis of a factorisation is arbitrary and changes with the data, so these vectors are only ever scaled and added,
never mixed by a learned matrix: scores depend on their inner products alone, which keeps folds and weeks comparable.

Shape letters: S segments, M makes, P products, F fitment pairs (segment, product), D vehicle factors, I item factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.model.shrinkage import Evidence, Fitting, Strengths, log_lift
from gnn_core.snapshot import Int

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Factors:
    """Constants of the network; every array float32."""

    vehicle_SD: NDArray[np.float32]
    product_PD: NDArray[np.float32]
    """vehicle · product ≈ log lift of the product among what fits the vehicle."""
    item_PI: NDArray[np.float32]
    """item · item ≈ how much two products share buyers, part type and vehicles."""
    vehicle_item_SI: NDArray[np.float32]
    """Mean item vector of what owners took, less that of everyone."""
    evidence_S: NDArray[np.float32]
    """Orders (or equivalents) behind that mean."""


def compute_factors(
    fitting: Fitting,
    evidence: Evidence,
    part_type_P: Int,
    *,
    strengths: Strengths,
    vehicle_rank: int,
    item_rank: int,
    attribute_weight: float,
    seed: int,
) -> Factors:
    """Factorise the vehicle–product and the item–item graph; ranks above what the matrix has leave zero columns."""
    shape = (fitting.n_segments, fitting.n_products)
    lift_SP = sparse.csr_matrix((log_lift(fitting, evidence, strengths), (fitting.segment_F, fitting.product_F)), shape)
    left, values, right = truncated_svd(lift_SP, vehicle_rank, seed)
    half = np.sqrt(values)
    item_rows = _item_rows(fitting, evidence, part_type_P, attribute_weight)
    _, item_values, item_right = truncated_svd(item_rows, item_rank, seed + 1)
    item_PI = item_right * item_values
    taken_S = np.asarray(evidence.by_segment_SP.sum(axis=1)).ravel()
    everyone = evidence.by_product_P @ item_PI / max(evidence.by_product_P.sum(), 1e-12)
    mean_SI = (evidence.by_segment_SP @ item_PI) / np.maximum(taken_S, 1e-12)[:, None] - everyone
    mean_SI[taken_S == 0] = 0.0
    single = (left * half, right * half, item_PI, mean_SI, taken_S)
    return Factors(*(a.astype(np.float32) for a in single))


def truncated_svd(matrix: sparse.csr_matrix, rank: int, seed: int, passes: int = 5) -> tuple[Float, Float, Float]:
    """Leading singular triplets by randomised subspace iteration: (rows, rank), (rank,) descending, (columns, rank).

    Deterministic for a seed on a pinned number of torch threads; missing rank is filled with zeros.
    Source: Halko, Martinsson & Tropp (2011), algorithm 4.4.
    """
    n_rows, n_columns = matrix.shape
    width = min(rank + 8, n_rows, n_columns)
    left, values, right = np.zeros((n_rows, rank)), np.zeros(rank), np.zeros((n_columns, rank))
    if width == 0 or rank == 0 or matrix.nnz == 0:
        return left, values, right
    wide = matrix.astype(np.float64).tocsr()
    tall = wide.T.tocsr()
    basis = np.random.default_rng(seed).standard_normal((n_columns, width))
    for _ in range(passes):
        basis = _orthonormal(tall @ (wide @ basis))
    u, s, vt = torch.linalg.svd(torch.from_numpy(wide @ basis), full_matrices=False)
    kept = min(rank, width)
    left[:, :kept], values[:kept] = u.numpy()[:, :kept], s.numpy()[:kept]
    right[:, :kept] = basis @ vt.numpy().T[:, :kept]
    return left, values, right


def _orthonormal(columns: Float) -> Float:
    return torch.linalg.qr(torch.from_numpy(np.ascontiguousarray(columns)))[0].numpy()


def _item_rows(fitting: Fitting, evidence: Evidence, part_type_P: Int, attribute_weight: float) -> sparse.csr_matrix:
    """Users, part types and segments as rows over products, each scaled by 1/sqrt(row sum · column sum)."""
    n_P = fitting.n_products
    log_taken = evidence.by_user_UP.copy()
    log_taken.data = np.log1p(log_taken.data)
    types = sparse.csr_matrix((np.ones(n_P), (part_type_P, np.arange(n_P))), shape=(int(part_type_P.max()) + 1, n_P))
    ones = np.ones(len(fitting.segment_F))
    fits = sparse.csr_matrix((ones, (fitting.segment_F, fitting.product_F)), shape=(fitting.n_segments, n_P))
    scaled = (_scaled(log_taken), attribute_weight * _scaled(types), attribute_weight * _scaled(fits))
    return sparse.vstack(scaled).tocsr()


def _scaled(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    rows = np.asarray(matrix.sum(axis=1)).ravel()
    columns = np.asarray(matrix.sum(axis=0)).ravel()
    inverse = [np.divide(1.0, np.sqrt(v), out=np.zeros_like(v), where=v > 0) for v in (rows, columns)]
    return sparse.diags(inverse[0]) @ matrix @ sparse.diags(inverse[1])
