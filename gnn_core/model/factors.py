"""Factorised starting points: what a vehicle's owners order beyond the average, and which products go together.

What belongs here: constants computed from counts by linear algebra, before any gradient step.
What does not: anything learned by gradient (network.py).

The basis of a factorisation is arbitrary and changes with the data, so these vectors are only ever scaled and added,
never mixed by a learned matrix: scores depend on their inner products alone, which keeps folds and weeks comparable.

Shape letters: S segments, M makes, P products, F fitment pairs (segment, product), D vehicle factors, I item factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.learning import GraphSettings
from gnn_core.graph.interactions import add_up, kind_weights
from gnn_core.snapshot import Events, Int

Float = NDArray[np.float64]
STRENGTHS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Candidate prior strengths, in orders; chosen on held-out users, see `choose_strength`."""
MAKE_STRENGTH_RATIO = 3.0
"""Prior strength of make → all products, relative to segment → make; ranking was seen to depend on it little."""


@dataclass(frozen=True)
class Fitting:
    """Fitment pairs in segment order, with the make of each segment."""

    segment_F: Int
    product_F: Int
    make_S: Int
    n_products: int

    @property
    def n_segments(self) -> int:
        """Number of segments, those without a fitting product included."""
        return len(self.make_S)

    def lookup(self, counts: sparse.csr_matrix, row_F: Int) -> Float:
        """Value of a sparse (rows, P) matrix at each fitment pair, with 0 where there is none."""
        counts = counts.tocsr()
        counts.sort_indices()
        row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        have = row * np.int64(self.n_products) + counts.indices
        want = row_F * np.int64(self.n_products) + self.product_F
        at = np.minimum(np.searchsorted(have, want), max(len(have) - 1, 0))
        return np.where(have[at] == want, counts.data[at], 0.0) if len(have) else np.zeros(len(want))

    def per_segment(self, value_F: Float) -> Float:
        """(S,) sums over the fitting products of each segment."""
        return np.bincount(self.segment_F, weights=value_F, minlength=self.n_segments).astype(np.float64)


@dataclass(frozen=True)
class Evidence:
    """Undecayed interactions in units of one order, by user, segment and product."""

    by_user_UP: sparse.csr_matrix
    by_segment_SP: sparse.csr_matrix
    """An owner of two segments counts in both."""
    by_product_P: Float


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


def gather_evidence(events: Events, owns_US: sparse.csr_matrix, n_products: int, settings: GraphSettings) -> Evidence:
    """Add up events in units of one order: a cart counts 3/5 and a view 1/5 with the proposal's weights.

    Not decayed: the taste of a vehicle's owners changes slowly, and most orders of a store are old.
    """
    per_kind = kind_weights(settings) / kind_weights(settings).max()
    pairs = add_up(events.user_E, events.product_E, per_kind[events.kind_E], n_products)
    shape = (owns_US.shape[0], n_products)
    by_user = sparse.csr_matrix((pairs.weight_K, (pairs.user_K, pairs.product_K)), shape=shape)
    by_segment = sparse.csr_matrix(owns_US.astype(np.float64).T @ by_user)
    by_segment.sort_indices()
    return Evidence(by_user, by_segment, np.asarray(by_user.sum(axis=0)).ravel())


def log_lift(fitting: Fitting, evidence: Evidence, strength: float) -> Float:
    """(F,) log of a smoothed order share among the fitting products, over the share that global popularity gives.

    Empirical-Bayes shrinkage in two steps: segment towards make with `strength` orders, make towards all products with
    three times that. No evidence gives 0 everywhere, and the ranking is then global popularity.
    """
    s_F, p_F = fitting.segment_F, fitting.product_F
    popular_F = evidence.by_product_P[p_F] + 0.5
    base_F = popular_F / fitting.per_segment(popular_F)[s_F]
    make_MS = sparse.csr_matrix(
        (np.ones(fitting.n_segments), (fitting.make_S, np.arange(fitting.n_segments))),
        shape=(int(fitting.make_S.max(initial=-1)) + 1, fitting.n_segments),
    )
    own_F = fitting.lookup(evidence.by_segment_SP, s_F)
    make_F = fitting.lookup(sparse.csr_matrix(make_MS @ evidence.by_segment_SP), fitting.make_S[s_F])
    k_make = strength * MAKE_STRENGTH_RATIO
    make_share_F = (make_F + k_make * base_F) / (fitting.per_segment(make_F)[s_F] + k_make)
    share_F = (own_F + strength * make_share_F) / (fitting.per_segment(own_F)[s_F] + strength)
    return np.log(share_F / base_F)


def choose_strength(fitting: Fitting, folds: Sequence[tuple[Evidence, Evidence]]) -> float:
    """The prior strength under which held-out users' choices are most likely, given the others'.

    Args:
        fitting: candidates of each segment.
        folds: (evidence of the visible users, evidence of the hidden users) of each fold.
    Returns:
        One of STRENGTHS; the largest (the most careful) when no hidden user took anything that fits.
    """
    total = np.zeros(len(STRENGTHS))
    for visible, hidden in folds:
        taken_F = fitting.lookup(hidden.by_segment_SP, fitting.segment_F)
        popular_F = np.log(visible.by_product_P[fitting.product_F] + 0.5)
        for i, strength in enumerate(STRENGTHS):
            logit_F = popular_F + log_lift(fitting, visible, strength)
            log_sum_S = np.log(np.maximum(fitting.per_segment(np.exp(logit_F)), 1e-300))
            total[i] += float((taken_F * (logit_F - log_sum_S[fitting.segment_F])).sum())
    return STRENGTHS[len(STRENGTHS) - 1 - int(np.argmax(total[::-1]))]


def compute_factors(
    fitting: Fitting,
    evidence: Evidence,
    part_type_P: Int,
    *,
    strength: float,
    vehicle_rank: int,
    item_rank: int,
    attribute_weight: float,
    seed: int,
) -> Factors:
    """Factorise the vehicle–product and the item–item graph; ranks above what the matrix has leave zero columns."""
    shape = (fitting.n_segments, fitting.n_products)
    lift_SP = sparse.csr_matrix((log_lift(fitting, evidence, strength), (fitting.segment_F, fitting.product_F)), shape)
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


def truncated_svd(matrix: sparse.csr_matrix, rank: int, seed: int, passes: int = 6) -> tuple[Float, Float, Float]:
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
        basis = _orthonormal(tall @ _orthonormal(wide @ basis))
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
