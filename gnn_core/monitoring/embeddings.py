"""The vectors that are served beside those of a reference model, and which limits they break.

What belongs here: matching entities by id, and what is allowed. What does not: the distances (drift.py), where vectors
come from (the assets).

Two fits of one store differ by what the newer one has learned since, and that is no defect. So every limit is one for
the share of the newer fit's events that the older one did not know: about 2 % in a week, a third and more between the
model that gate 1 judged and the one that is served first. How healthy fits move with that share is measured
(`python -m benchmarks drift`, decision 0012).

Shape letters: P products or vehicles, D dimensions.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnn_core.config import MonitoringSettings
from gnn_core.errors import DataError
from gnn_core.evaluation.gate import percent, signed_percent
from gnn_core.monitoring.drift import VectorDrift, psi_by_chance, vector_drift

Vectors = tuple[NDArray[np.object_], NDArray[np.float64]]
"""(ids, (P, D) vectors)"""
PRODUCTS = "products"
"""The kind whose norms are judged by distribution too: those of vehicles lie within a few percent of each other, so
that the least change moves whole deciles."""
COMPARED = "compared"


@dataclass(frozen=True)
class Limits:
    """What is allowed between two fits that are so much apart."""

    min_cosine: float
    min_overlap: float
    max_norm_ratio: float
    """Of the median norms, the larger over the smaller."""
    max_norm_psi: float


@dataclass(frozen=True)
class EmbeddingDrift:
    """What is served beside its reference, by kind of entity."""

    reference: str
    """Which model it is compared with, as a phrase."""
    new_evidence: float
    """Share of the events behind what is served that the reference did not know."""
    limits: Limits
    kinds: dict[str, VectorDrift]
    new_entities: dict[str, int]
    """Entities that the reference does not know; they cannot drift."""
    breaks: tuple[str, ...]
    """A sentence for each limit that does not hold."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name, with `state`."""
        return {"state": COMPARED, **dataclasses.asdict(self)}


def allowed(new_evidence: float, settings: MonitoringSettings) -> Limits:
    """The limits between fits of which the newer knows that share of events more, in [0, 1).

    A vector that were nothing but the sum of its evidence would keep a cosine of √(1 − share), since what came later is
    independent of what came before; what evidence agrees on adds to it. Of their neighbours healthy fits keep about
    1 − √share. Norms carry the amount of evidence: they may change once more with every doubling of the events.
    """
    doublings = -math.log2(1 - new_evidence)
    return Limits(
        min_cosine=settings.min_aligned_cosine * math.sqrt(1 - new_evidence),
        min_overlap=settings.min_neighbours_kept * (1 - math.sqrt(new_evidence)),
        max_norm_ratio=(1 + settings.max_norm_change) ** (1 + doublings),
        max_norm_psi=settings.psi_alarm * (1 + doublings),
    )


def embedding_drift(
    old: Mapping[str, Vectors],
    new: Mapping[str, Vectors],
    settings: MonitoringSettings,
    *,
    reference: str,
    new_evidence: float,
    seed: int,
) -> EmbeddingDrift | str:
    """Compare vectors by kind (`products`, `vehicles`), entity by entity.

    Args:
        new_evidence: share of the events behind `new` that `old` did not know, in [0, 1].
    Returns:
        A phrase that says why, where they cannot be compared: too few entities are known to both, or the reference knew
        none of the events.
    Raises:
        DataError: the share is none.
    """
    if not 0 <= new_evidence <= 1:
        raise DataError(f"drift: {new_evidence} is no share of events")
    if new_evidence == 1:
        return "the reference knew none of the events that the served model has learned from"
    limits = allowed(new_evidence, settings)
    kinds: dict[str, VectorDrift] = {}
    fresh: dict[str, int] = {}
    breaks: list[str] = []
    for kind, (ids, vectors_PD) in new.items():
        old_ids, old_PD = old[kind]
        # A part that counts for nothing has no dimensions: zeros in its place change no norm, angle or rotation.
        width = max(old_PD.shape[1], vectors_PD.shape[1])
        old_PD, vectors_PD = (np.pad(v, ((0, 0), (0, width - v.shape[1]))) for v in (old_PD, vectors_PD))
        _, at_old, at_new = np.intersect1d(old_ids.astype(str), ids.astype(str), return_indices=True)
        fresh[kind] = len(ids) - len(at_new)
        if len(at_new) <= settings.neighbours:
            if kind == PRODUCTS:
                return f"{kind}: only {len(at_new)} are known to both models"
            continue  # a store of one vehicle has no neighbourhood of vehicles
        found = vector_drift(
            old_PD[at_old], vectors_PD[at_new], neighbours=settings.neighbours, sample=settings.drift_sample,
            bins=settings.psi_bins, seed=seed,
        )  # fmt: skip
        kinds[kind] = found
        breaks += _breaks(kind, found, limits, settings)
    return EmbeddingDrift(reference, new_evidence, limits, kinds, fresh, tuple(breaks))


def _breaks(kind: str, found: VectorDrift, limits: Limits, settings: MonitoringSettings) -> list[str]:
    broken = []
    ratio, most = 1 + found.norm_change, limits.max_norm_ratio
    if not 1 / most <= ratio <= most:
        broken.append(
            f"{kind}: the median norm changed by {signed_percent(found.norm_change)}, more than "
            f"{signed_percent(most - 1 if ratio > 1 else 1 / most - 1)}."
        )
    chance = psi_by_chance(found.entities, found.entities, settings.psi_bins, settings.drift_confidence)
    if kind == PRODUCTS and found.norm_psi > max(limits.max_norm_psi, chance):
        broken.append(f"{kind}: the PSI of norms is {found.norm_psi:.3f}, above {limits.max_norm_psi:.3f}.")
    if found.aligned_cosine < limits.min_cosine:
        broken.append(
            f"{kind}: the mean cosine after the best rotation is {found.aligned_cosine:.3f}, below "
            f"{limits.min_cosine:.3f}."
        )
    if found.neighbour_overlap < limits.min_overlap:
        broken.append(
            f"{kind}: {percent(found.neighbour_overlap)} of the nearest neighbours are kept, less than "
            f"{percent(limits.min_overlap)}."
        )
    return broken
