"""The smooth part of who takes what, as an inner product: singular vectors of the renormalised user–product graph.

What belongs here: events → two vectors a product. What does not: nearest products and their factors (item_graph.py),
how much this counts (intent.py, by_rank.py).

With R the 0/1 matrix of who touched what and c a constant added to every degree,

    R~ = (D_U + c)^-1/2 R (D_P + c)^-1/2 ≈ U Σ Vᵀ,   in_p = V_p / (D_p + c)^a,   out_p = V_p (D_p + c)^b

and a user's vector is the mean of `in` over what they took. V Vᵀ is the ideal low-pass of the graph: light propagation
without anything learned, and everything beyond the first vectors cut off as noise. Without the constant, users and
products of few events have the largest singular values, and the truncation spends its vectors on them.

Sources: Shen et al. (2021), the ideal low-pass; Peng et al. (2022), the constant in the normalisation.

Shape letters: U users, P products, E events, F spectral vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.learning import ModelSettings
from gnn_core.model.factors import truncated_svd
from gnn_core.snapshot import Events

SELF_CLOSENESS = 10.0
"""What a product says of itself, on average over what was taken: a weight is then about 1, whatever the store."""
_PASSES = 4
_NOTHING = 1e-6
"""Singular values lie in [0, 1]; below this they are rounding, and their vectors arbitrary."""


@dataclass(frozen=True)
class SpectralFactors:
    """Two vectors a product; both float32 (P, F), zeros where nobody took the product or vectors ran out."""

    in_PF: NDArray[np.float32]
    """Averaged over what a user took."""
    out_PF: NDArray[np.float32]


def spectral_factors(events: Events, shape: tuple[int, int], settings: ModelSettings, seed: int) -> SpectralFactors:
    """Spectral vectors of all given events; of whatever kind and however often, a pair counts once.

    Args:
        events: of any order. shape: (users, products). seed: of the start of the iteration.
    """
    n_P, rank = shape[1], settings.spectral_factors
    ones = np.ones(len(events), dtype=np.float32)
    r_UP = sparse.csr_matrix((ones, (events.user_E, events.product_E)), shape=shape)
    r_UP.data[:] = 1.0  # duplicates were added up
    r_UP = r_UP[np.flatnonzero(np.diff(r_UP.indptr))]
    degree_U = np.diff(r_UP.indptr) + settings.spectral_added_degree
    taken_P = np.bincount(r_UP.indices, minlength=n_P)
    degree_P = taken_P + settings.spectral_added_degree
    scaled = sparse.diags(degree_U**-0.5) @ r_UP @ sparse.diags(degree_P**-0.5)
    _, values, vectors_PF = truncated_svd(sparse.csr_matrix(scaled), rank, seed, _PASSES, np.float32)
    vectors_PF[:, values <= _NOTHING] = 0.0
    vectors_PF[taken_P == 0] = 0.0
    in_PF = vectors_PF * (degree_P**-settings.spectral_in_exponent)[:, None]
    out_PF = vectors_PF * (degree_P**settings.spectral_out_exponent)[:, None]
    own = float(np.einsum("pf,pf,p->", in_PF, out_PF, taken_P)) / max(len(r_UP.data), 1)
    out_PF *= SELF_CLOSENESS / own if own > 0 else 0.0
    return SpectralFactors(in_PF.astype(np.float32), out_PF.astype(np.float32))
