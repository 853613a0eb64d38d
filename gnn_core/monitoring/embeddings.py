"""The vectors that are served beside those of a reference model, and which limits they break.

What belongs here: matching entities by id, and the limits of the configuration. What does not: the distances
(drift.py), where vectors come from (the assets).

Shape letters: P products or vehicles, D dimensions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnn_core.config import MonitoringSettings
from gnn_core.evaluation.gate import percent, signed_percent
from gnn_core.monitoring.drift import VectorDrift, psi_by_chance, vector_drift

Vectors = tuple[NDArray[np.object_], NDArray[np.float64]]
"""(ids, (P, D) vectors)"""
PRODUCTS = "products"
"""The kind whose norms are judged by distribution too: those of vehicles lie within a few percent of each other, so
that the least change moves whole deciles."""
COMPARED = "compared"


@dataclass(frozen=True)
class EmbeddingDrift:
    """What is served beside its reference, by kind of entity."""

    reference: str
    """Which model it is compared with, as a phrase."""
    kinds: dict[str, VectorDrift]
    new_entities: dict[str, int]
    """Entities that the reference does not know; they cannot drift."""
    breaks: tuple[str, ...]
    """A sentence for each limit that does not hold."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name, with `state`."""
        return {"state": COMPARED, **dataclasses.asdict(self)}


def embedding_drift(
    old: Mapping[str, Vectors], new: Mapping[str, Vectors], settings: MonitoringSettings, *, reference: str, seed: int
) -> EmbeddingDrift | str:
    """Compare vectors by kind (`products`, `vehicles`), entity by entity.

    Returns:
        A phrase that says why, where they cannot be compared: other dimensions, or too few entities known to both.
    """
    kinds: dict[str, VectorDrift] = {}
    fresh: dict[str, int] = {}
    breaks: list[str] = []
    for kind, (ids, vectors_PD) in new.items():
        old_ids, old_PD = old[kind]
        if old_PD.shape[1] != vectors_PD.shape[1]:
            return (
                f"{kind}: vectors have {vectors_PD.shape[1]} dimensions, those of {reference} {old_PD.shape[1]}: the "
                "model's settings have changed"
            )
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
        breaks += _breaks(kind, found, settings)
    return EmbeddingDrift(reference, kinds, fresh, tuple(breaks))


def _breaks(kind: str, found: VectorDrift, settings: MonitoringSettings) -> list[str]:
    broken = []
    if abs(found.norm_change) > settings.max_norm_change:
        broken.append(
            f"{kind}: the median norm changed by {signed_percent(found.norm_change)}, more than "
            f"{percent(settings.max_norm_change)}."
        )
    chance = psi_by_chance(found.entities, found.entities, settings.psi_bins, settings.drift_confidence)
    if kind == PRODUCTS and found.norm_psi > max(settings.psi_alarm, chance):
        broken.append(f"{kind}: the PSI of norms is {found.norm_psi:.3f}, above {settings.psi_alarm:g}.")
    if found.aligned_cosine < settings.min_aligned_cosine:
        broken.append(
            f"{kind}: the mean cosine after the best rotation is {found.aligned_cosine:.3f}, below "
            f"{settings.min_aligned_cosine:g}."
        )
    if found.neighbour_overlap < settings.min_neighbour_overlap:
        broken.append(
            f"{kind}: {percent(found.neighbour_overlap)} of the nearest neighbours are kept, less than "
            f"{percent(settings.min_neighbour_overlap)}."
        )
    return broken
