"""What a model that needs history says where it knows nothing: the scores of another one, given as `silent`.

Shape letters: R rows of a block, P products, D factors, U users, S segments.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_SHARE = np.float32(1e-3)
"""Weight of the fallback beside the model: enough to order products that the model is silent on, and no more."""
Float = NDArray[np.float32]


def over_silent(silent_RP: Float, found_RP: Float) -> Float:
    """Scale each row of `found_RP` to a best score of 1 and add a trace of `silent_RP`, which must not be negative.

    A row in which nothing is above 0 keeps the fallback's scores as they are.
    """
    scores = silent_RP.copy()
    best_R = found_RP.max(axis=1, initial=0)
    spoken = np.flatnonzero(best_R > 0)
    traces = scores[spoken]
    traces *= _SHARE / np.maximum(traces.max(axis=1, keepdims=True, initial=0), np.finfo(np.float32).tiny)
    scores[spoken] = traces + found_RP[spoken] / best_R[spoken, None]
    return scores


def beside_own(found_RP: Float, own_RP: Float, weight: float) -> Float:
    """`found_RP` + weight · `own_RP`, each row of either scaled to a best value of 1 where it has one above 0."""
    return found_RP if weight == 0 else _to_one(found_RP) + np.float32(weight) * _to_one(own_RP)


def _to_one(values_RP: Float) -> Float:
    best_R = values_RP.max(axis=1, initial=0)
    return np.asarray(values_RP / np.where(best_R > 0, best_R, np.float32(1))[:, None], dtype=np.float32)


def mean_of_owners(factors_UD: Float, owns_US: sparse.csr_matrix) -> Float:
    """(S, D) mean factors of each segment's owners among the given users; zeros where there is none."""
    owners_S = np.asarray(owns_US.sum(axis=0)).ravel()
    return np.asarray(owns_US.T @ factors_UD / np.maximum(owners_S, 1)[:, None], dtype=np.float32)


def mean_of_segments(factors_SD: Float, owns_AS: sparse.csr_matrix) -> Float:
    """(A, D) mean factors of each row's segments, of those that have any; zeros where none has."""
    known_S = factors_SD.any(axis=1).astype(np.float32)
    n_A = np.maximum(owns_AS @ known_S, 1)[:, None]
    return np.asarray(owns_AS @ factors_SD / n_A, dtype=np.float32)
