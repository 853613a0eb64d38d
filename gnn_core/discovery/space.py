"""The space in which two products, or two users, are near each other.

What belongs here: vectors of the model → unit vectors. What does not: who is compared with whom (products.py,
users.py).

The score's vectors hold popularity and a bias, under which any two best sellers would be alike; they are left out. So
is what was learned by gradient: a row of little evidence points at its slack there, and all such rows would be one. The
two parts that tell one user from another (lift of the vehicles, item graph) have scales of their own: each becomes a
unit vector, so that a cosine is the mean of the parts' cosines. A part without any evidence is zero and adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gnn_core.errors import ShapeError

PARTS = ("vehicles", "items")
TASTES = ("items", "spectral")
"""Parts that hold what a user took, in the order in which they are asked."""


def similarity_space(
    vector_NO: NDArray[np.floating], blocks: Mapping[str, Sequence[int]], parts: Sequence[str] = PARTS
) -> NDArray[np.float32]:
    """(N, D) rows whose inner product is the mean of the parts' cosines, in [−1, 1].

    Args:
        vector_NO: `product_vectors` or `user_vectors` of the graph model.
        blocks: its `vector_blocks`.
        parts: which blocks to compare by.
    Raises:
        ShapeError: a part is no block, or the blocks do not cover the vectors.
    """
    missing = [p for p in parts if p not in blocks]
    if missing or max(end for _, end in blocks.values()) != vector_NO.shape[1]:
        raise ShapeError(f"vectors of width {vector_NO.shape[1]} do not have blocks {dict(blocks)} with parts {parts}")
    units = []
    for part in parts:
        block = np.asarray(vector_NO[:, slice(*blocks[part])], dtype=np.float64)
        length = np.linalg.norm(block, axis=1, keepdims=True)
        # Below this it is the rounding of a factorisation, not a direction.
        units.append(np.divide(block, length, out=np.zeros_like(block), where=length > 1e-6))
    return (np.concatenate(units, axis=1) / np.sqrt(len(parts))).astype(np.float32)


def user_parts(vector_NO: NDArray[np.floating], blocks: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """The parts to compare users by: their vehicles, and the first part of their taste that the score gives weight.

    On the users' side a part stands with its weight, and a fit may give the item graph none, because the smooth part of
    the same graph says it all: every history would be nothing, and nobody like anybody.
    """
    for part in TASTES:
        if part in blocks and np.any(vector_NO[:, slice(*blocks[part])]):
            return ("vehicles", part)
    return PARTS
