"""Has what we serve from turned into something else? Vectors against the promoted model, inputs against a reference.

What belongs here: distances between two sets of vectors or two distributions. What does not: thresholds (config),
alerts (checks).

A retrained space may be the old one turned round: every score is the same and every coordinate differs. So coordinates
are compared after the best rotation, and neighbourhoods need none.

Shape letters: N entities known to both, D dimensions, K neighbours, B bins.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its stats load when they are first asked for
from numpy.typing import NDArray

from gnn_core.errors import DataError, ShapeError

Float = NDArray[np.float64]
TWICE = 2.0
"""Evidence that doubles is the least that is called a change of a norm; scaled vectors are rarely off by less."""


@dataclass(frozen=True)
class VectorDrift:
    """How far the vectors of the same entities have moved."""

    entities: int
    norm_change: float
    """Median norm, new over old, minus 1."""
    norms_moved: float
    """Share of the entities whose own norm changed by more than a factor of 2 beside the median change."""
    aligned_cosine: float
    """Mean cosine of directions from the mean after the best rotation of the new space; 1 = the same space, turned."""
    raw_cosine: float
    """The same without rotation: low when the space only turned."""
    neighbour_overlap: float
    """Mean share of the K nearest neighbours by that direction that an entity keeps."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def vector_drift(old_ND: Float, new_ND: Float, *, neighbours: int, sample: int, seed: int) -> VectorDrift:
    """Compare two sets of vectors of the same entities, in the same order.

    Args:
        neighbours: K of the overlap, cosine similarity, an entity not being its own neighbour.
        sample: entities whose neighbourhoods are compared; neighbours are looked for among all.
    Raises:
        ShapeError: the two differ in shape.
        DataError: fewer entities than K + 1, or a value that is not finite.
    """
    if old_ND.shape != new_ND.shape:
        raise ShapeError(f"drift: old vectors are {old_ND.shape}, new ones {new_ND.shape}; give the same entities")
    n = len(old_ND)
    if n <= neighbours:
        raise DataError(f"drift: {n} entities are known to both models, and {neighbours} neighbours need more")
    if not (np.isfinite(old_ND).all() and np.isfinite(new_ND).all()):
        raise DataError("drift: a vector holds NaN or an infinite value")
    old_norm, new_norm = (np.linalg.norm(v, axis=1) for v in (old_ND, new_ND))
    median, new_median = float(np.median(old_norm)), float(np.median(new_norm))
    for name, value in (("old", median), ("new", new_median)):
        if value == 0:
            raise DataError(f"drift: most {name} vectors are zero, so nothing can be compared with them")
    # From the mean: what all entities share adds the same to every score of a user, and ranks nothing.
    old, new = (_unit(v - v.mean(axis=0)) for v in (old_ND, new_ND))
    rows = np.sort(np.random.default_rng(seed).permutation(n)[:sample])
    kept = _neighbours(old, rows, neighbours), _neighbours(new, rows, neighbours)
    overlap = np.mean([len(np.intersect1d(a, b)) / neighbours for a, b in zip(*kept, strict=True)])
    return VectorDrift(
        entities=n,
        norm_change=new_median / median - 1,
        norms_moved=_moved(old_norm, new_norm),
        aligned_cosine=float((old * (new @ rotation_onto(new, old))).sum(axis=1).mean()),
        raw_cosine=float((old * new).sum(axis=1).mean()),
        neighbour_overlap=float(overlap),
    )


def rotation_onto(moved_ND: Float, fixed_ND: Float) -> Float:
    """(D, D) orthogonal matrix that turns `moved` closest to `fixed` (Schönemann 1966)."""
    left, _, right = np.linalg.svd(moved_ND.T @ fixed_ND)
    return left @ right


def steadiest_correlation(old_NK: Float, new_NK: Float) -> float:
    """Largest correlation of a number with what it was, over the K numbers in both; 0 where none varies in both.

    For numbers with a meaning of their own. What came since may change one of them altogether (what was taken lately),
    and leaves others nearly as they were (what was ever taken); entities under each other's rows change all alike.
    """
    found = 0.0
    for old_N, new_N in zip(old_NK.T, new_NK.T, strict=False):
        spread = float(old_N.std() * new_N.std())
        if spread > 0:
            found = max(found, float(((old_N - old_N.mean()) * (new_N - new_N.mean())).mean()) / spread)
    return found


def population_stability(reference: Float, current: Float, bins: int) -> float:
    """PSI of a number: Σ (p − q) · log(p / q) over the reference's quantile bins, half a row added to each bin.

    Values with many ties (counts, zero prices) fall into as many bins as they have distinct edges.

    Raises:
        DataError: one of the two has no value, or a value that is not finite.
    """
    for name, values in (("reference", reference), ("current", current)):
        if len(values) == 0 or not np.isfinite(values).all():
            raise DataError(f"PSI: the {name} has {len(values)} values, or one that is not finite")
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, v, side="right"), minlength=len(edges) + 1) for v in (reference, current)
    ]
    return _psi(counts[0], counts[1])


def psi_by_chance(n_reference: int, n_current: int, bins: int, confidence: float) -> float:
    """What the PSI of two samples of one population stays below with this probability; 0 for a single bin.

    PSI over (1/n + 1/m) is close to χ² with B − 1 degrees of freedom (Yurdakul 2018, Statistical properties of the
    population stability index). n and m are numbers of independent draws: users, not their events.
    """
    if min(n_reference, n_current) < 1:
        raise DataError(f"PSI: {n_reference} and {n_current} draws are no two samples")
    if bins < 2:
        return 0.0
    return float(scipy.stats.chi2.ppf(confidence, bins - 1) * (1 / n_reference + 1 / n_current))


def category_stability(reference: dict[str, int], current: dict[str, int]) -> float:
    """PSI of counts by name; a name that only one of the two has counts too."""
    names = sorted({*reference, *current})
    if not names:
        raise DataError("PSI: neither side has a category")
    return _psi(*(np.array([side.get(name, 0) for name in names]) for side in (reference, current)))


def _psi(reference_B: NDArray[Any], current_B: NDArray[Any]) -> float:
    p, q = ((side + 0.5) / (side + 0.5).sum() for side in (current_B, reference_B))
    return float(((p - q) * np.log(p / q)).sum())


def _moved(old_N: Float, new_N: Float) -> float:
    """Share of the entities whose norm changed by more than `TWICE` beside the median change, or from zero."""
    was_N = old_N > 0
    ratio_N = new_N[was_N] / old_N[was_N]
    median = np.median(ratio_N)
    moved = ((ratio_N > TWICE * median) | (TWICE * ratio_N < median)).sum() + (new_N[~was_N] > 0).sum()
    return float(moved) / len(old_N)


def _unit(vectors_ND: Float) -> Float:
    norm = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return np.divide(vectors_ND, norm, out=np.zeros_like(vectors_ND, dtype=np.float64), where=norm > 0)


def _neighbours(unit_ND: Float, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """(rows, K) positions of the nearest others."""
    found = np.empty((len(rows), k), dtype=np.int64)
    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        score = unit_ND[part] @ unit_ND.T
        score[np.arange(len(part)), part] = -np.inf
        found[start : start + 256] = np.argpartition(-score, k - 1, axis=1)[:, :k]
    return found
