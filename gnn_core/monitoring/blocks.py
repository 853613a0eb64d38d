"""What the columns of a model's vectors are, what each part counts for in the score, and what a part holds.

What belongs here: cutting vectors into the parts that the score adds up, what a part holds. What does not:
distances (drift.py), limits (embeddings.py).

A vector is a row of parts: lift of the vehicles, popularity, item graph, smooth part, what was learned by gradient,
bias. Each has a scale and a basis of its own, and how much it counts stands on the users' side. So vectors as a whole
have no norm and no angle that would mean anything: their longest part decides, whatever its weight.

Shape letters: N entities, D dimensions of a part, A users, P products, O all dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnn_core.errors import ShapeError

Float = NDArray[np.float64]
Vectors = tuple[NDArray[np.object_], NDArray[np.float64]]
"""(ids, (N, O) vectors)"""
Shares = Mapping[str, Mapping[str, float]]
"""Audience → part → its share of what the score varies by."""

POPULARITY, LEARNED, BIAS = "popularity", "learned", "bias"
ABSENT, ZERO, SAME, TELLS = "no dimension", "zero for all", "the same for all", "tells apart"
"""What a part holds: of these, only `TELLS` can be compared."""
_NO_ROW = 1e-6
"""Of the largest norm: below, it is the rounding of a factorisation."""
_NO_SPREAD = 1e-5
"""Of the largest norm: single precision rounds at 1e-7, and sums of a thousand such numbers at some 1e-6."""


@dataclass(frozen=True)
class Space:
    """Vectors of one model, and what they are made of."""

    vectors: Mapping[str, Vectors]
    """By kind of entity: `products`, `vehicles`."""
    blocks: Mapping[str, Sequence[int]]
    """First column and last + 1 of each part, the same for every kind."""
    shares: Shares

    def part(self, kind: str, block: str) -> Float:
        """(N, D) one part of the vectors of one kind; no columns where the model has no such part."""
        start, stop = self.blocks.get(block, (0, 0))
        return self.vectors[kind][1][:, start:stop]


def held_rows(part_ND: Float) -> NDArray[np.bool_]:
    """(N,) whose part is anything but zero: without evidence there is none."""
    length_N = np.linalg.norm(part_ND, axis=1)
    return length_N > _NO_ROW * length_N.max(initial=0.0)


def holds(part_ND: Float) -> str:
    """ABSENT, ZERO, SAME or TELLS."""
    if part_ND.shape[1] == 0:
        return ABSENT
    longest = float(np.linalg.norm(part_ND, axis=1).max(initial=0.0))
    if longest == 0:
        return ZERO
    spread = float(np.linalg.norm(part_ND - part_ND.mean(axis=0), axis=1).max())
    return TELLS if spread > _NO_SPREAD * longest else SAME


def score_shares(
    user_AO: NDArray[np.floating], product_PO: NDArray[np.floating], blocks: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Part → share of what scores of one user's products differ by, on average over the users; they sum to 1.

    That is the variance over products of what the part adds, over the sum of these variances: what all products have in
    common ranks nothing. All 0 where no part tells two products apart.

    Raises:
        ShapeError: the parts do not cover the vectors.
    """
    if max(stop for _, stop in blocks.values()) != product_PO.shape[1] or user_AO.shape[1] != product_PO.shape[1]:
        raise ShapeError(
            f"users of width {user_AO.shape[1]} and products of {product_PO.shape[1]} do not have parts {dict(blocks)}"
        )
    variance = {}
    for name, (start, stop) in blocks.items():
        user_AD, product_PD = (v[:, start:stop].astype(np.float64) for v in (user_AO, product_PO))
        from_mean_PD = product_PD - product_PD.mean(axis=0)
        covariance_DD = from_mean_PD.T @ from_mean_PD / max(len(product_PD), 1)
        variance[name] = float(((user_AD @ covariance_DD) * user_AD).sum())
    total = sum(variance.values())
    return {name: value / total if total > 0 else 0.0 for name, value in variance.items()}


def moved_share(old: Mapping[str, float], new: Mapping[str, float]) -> float:
    """How much of what a score varies by has moved from some parts to others, in [0, 1]."""
    return sum(abs(new.get(name, 0.0) - old.get(name, 0.0)) for name in {*old, *new}) / 2
