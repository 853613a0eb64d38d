"""How many different answers a model has for the owners of one vehicle.

What belongs here: counting distinct vectors and lists. What does not: whether that is good (evaluation/).

Cold users of one vehicle are alike by design; a model that gives the same to *everyone* has collapsed, and one that
gives each cold user something else makes noise. Both show here.

Shape letters: A audience rows, S segments, O vector width, K list length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.errors import ShapeError
from gnn_core.snapshot import Int


@dataclass(frozen=True)
class Collapse:
    """Counts of distinct rows; two vectors are the same when they agree to the given decimals."""

    n_rows: int
    n_distinct_vectors: int
    n_distinct_lists: int
    distinct_vectors_S: Int
    """Distinct vectors among the rows that own each segment; 0 where nobody does."""

    def summary(self) -> dict[str, float]:
        """Numbers for a report; the per-vehicle figures are over vehicles with an owner."""
        owned = self.distinct_vectors_S[self.distinct_vectors_S > 0]
        return {
            "rows": self.n_rows,
            "distinct_vectors": self.n_distinct_vectors,
            "distinct_lists": self.n_distinct_lists,
            "vehicles_with_owners": len(owned),
            "median_distinct_vectors_per_vehicle": float(np.median(owned)) if len(owned) else 0.0,
            "vehicles_with_one_vector": int((owned == 1).sum()),
        }


def measure_collapse(
    vectors_AO: NDArray[np.float32], owns_AS: sparse.csr_matrix, top_AK: Int, decimals: int = 4
) -> Collapse:
    """Count distinct user vectors, overall and per vehicle, and distinct top lists.

    Args:
        vectors_AO: user vectors of an audience, as `GraphRecommender.user_vectors` gives them.
        owns_AS: segments of its rows.
        top_AK: product indices of each row's list, -1 where it is shorter.
        decimals: vectors that agree to so many decimals count as one.
    Raises:
        ShapeError: the three disagree in their number of rows.
    """
    if not len(vectors_AO) == owns_AS.shape[0] == len(top_AK):
        raise ShapeError(f"vectors, ownership and lists have {len(vectors_AO)}, {owns_AS.shape[0]}, {len(top_AK)} rows")
    # Adding 0 turns -0 into 0, which compares equal but has other bytes.
    vector_A, n_vectors = _codes(np.round(vectors_AO, decimals) + np.float32(0))
    _, n_lists = _codes(np.asarray(top_AK))
    row = np.repeat(np.arange(owns_AS.shape[0]), np.diff(owns_AS.indptr))
    pairs = np.unique(owns_AS.indices.astype(np.int64) * max(n_vectors, 1) + vector_A[row])
    per_segment = np.bincount(pairs // max(n_vectors, 1), minlength=owns_AS.shape[1])
    return Collapse(len(vectors_AO), n_vectors, n_lists, per_segment.astype(np.int64))


def _codes(table: NDArray) -> tuple[Int, int]:
    """(A,) code of each distinct row, and how many there are."""
    rows = np.ascontiguousarray(table)
    if not rows.size:
        return np.zeros(len(rows), dtype=np.int64), min(len(rows), 1)
    whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    distinct, code = np.unique(whole, return_inverse=True)
    return code.astype(np.int64), len(distinct)
