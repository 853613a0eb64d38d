"""The vectors that are served beside those of a reference model, part by part, and which limits they break.

What belongs here: matching entities by id, and what is allowed. What does not: the distances (drift.py), what a vector
is made of (blocks.py), where vectors come from (the assets).

Two things may be behind other vectors, and only one is a defect. The model may weigh its parts otherwise: that is
chosen anew with every fit, a part without weight has no dimension, and it is told, with what the part carries of the
score. Or a part that both models have says something else: that is judged, since how two healthy fits of one part
differ is known.

They differ by what the newer one has learned since. So every limit is one for the share of the newer fit's events that
the older one did not know: about 2 % in a week, a third and more between the model that gate 1 judged and the one that
is served first. How healthy fits move with that share is measured (`python -m benchmarks drift`, decision 0012).

Shape letters: N entities known to both, D dimensions of a part.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from gnn_core.config import MonitoringSettings
from gnn_core.errors import DataError
from gnn_core.evaluation.gate import percent, signed_percent
from gnn_core.monitoring.blocks import (
    ABSENT,
    BIAS,
    LEARNED,
    POPULARITY,
    SAME,
    TELLS,
    ZERO,
    Float,
    Shares,
    Space,
    held_rows,
    holds,
    moved_share,
)  # fmt: skip
from gnn_core.monitoring.drift import TWICE, VectorDrift, steadiest_correlation, vector_drift

PRODUCTS = "products"
COMPARED = "compared"
REFERENCE_ONLY, SERVED_ONLY, NEITHER, FEW = "in the reference only", "in what is served only", "in neither", "too few"
LOST = "lost"
"""Empty in what is served, although the model gave it room and a part of this kind is never left empty by choice."""


@dataclass(frozen=True)
class Limits:
    """What is allowed between two fits that are so much apart."""

    min_cosine: float
    min_overlap: float
    max_norm_ratio: float
    """Of the median norms, the larger over the smaller."""
    max_norms_moved: float


@dataclass(frozen=True)
class PartDrift:
    """One part of the vectors of one kind of entity, beside the same part of the reference."""

    kind: str
    block: str
    state: str
    """COMPARED, REFERENCE_ONLY, SERVED_ONLY, NEITHER, FEW or LOST."""
    appeared: int
    """Entities whose part was zero and is something now: they have their first evidence."""
    vanished: int
    """The reverse."""
    drift: VectorDrift | None = None
    """Of the entities whose part is something in both; None unless compared."""
    steadiest: float | None = None
    """Of popularity, in place of directions: the correlation of the number that has changed least."""


@dataclass(frozen=True)
class EmbeddingDrift:
    """What is served beside its reference, part by part."""

    reference: str
    """Which model it is compared with, as a phrase."""
    new_evidence: float
    """Share of the events behind what is served that the reference did not know."""
    limits: Limits
    parts: tuple[PartDrift, ...]
    shares: dict[str, dict[str, dict[str, float]]]
    """Audience → `reference` or `served` → part → its share of what scores differ by."""
    moved: dict[str, float]
    """Audience → how much of that went from some parts to others."""
    new_entities: dict[str, int]
    """Entities that the reference does not know; they cannot drift."""
    breaks: tuple[str, ...]
    """A sentence for each limit that does not hold: the vectors are not what healthy fits give."""
    changes: tuple[str, ...]
    """A sentence for each part that only one of the two has, and for each audience whose score has moved."""
    warns: bool
    """More of a score has moved from some parts to others than is expected."""

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
        max_norms_moved=min(1.0, settings.max_norms_moved * (1 + doublings)),
    )


def embedding_drift(
    old: Space,
    new: Space,
    settings: MonitoringSettings,
    *,
    reference: str,
    new_evidence: float,
    seed: int,
) -> EmbeddingDrift | str:
    """Compare vectors by kind (`products`, `vehicles`) and part, entity by entity. The bias is left out: one number.

    Args:
        new_evidence: share of the events behind `new` that `old` did not know, in [0, 1].
    Returns:
        A phrase that says why, where they cannot be compared: too few entities are known to both, no part of the
        products can be compared, or the reference knew none of the events.
    Raises:
        DataError: the share is none, or a vector is not finite.
    """
    if not 0 <= new_evidence <= 1:
        raise DataError(f"drift: {new_evidence} is no share of events")
    if new_evidence == 1:
        return "the reference knew none of the events that the served model has learned from"
    limits = allowed(new_evidence, settings)
    parts: list[PartDrift] = []
    fresh: dict[str, int] = {}
    breaks: list[str] = []
    for kind, (ids, _) in new.vectors.items():
        _, at_old, at_new = np.intersect1d(old.vectors[kind][0].astype(str), ids.astype(str), return_indices=True)
        fresh[kind] = len(ids) - len(at_new)
        if len(at_new) <= settings.neighbours:
            if kind == PRODUCTS:
                return f"{kind}: only {len(at_new)} are known to both models"
            continue  # a store of one vehicle has no neighbourhood of vehicles
        for block in dict.fromkeys((*old.blocks, *new.blocks)):
            if block != BIAS:
                pair = old.part(kind, block)[at_old], new.part(kind, block)[at_new]
                part = _compared(kind, block, *pair, settings, seed)
                parts.append(part)
                breaks += _breaks(part, len(at_new), limits, settings)
    if not breaks and not any(part.kind == PRODUCTS and part.state == COMPARED for part in parts):
        return f"{PRODUCTS}: no part tells them apart in both models"
    shares = {
        audience: {"reference": dict(old.shares[audience]), "served": dict(new.shares[audience])}
        for audience in new.shares
        if audience in old.shares
    }
    moved = {audience: moved_share(s["reference"], s["served"]) for audience, s in shares.items()}
    changes = [_presence(part, shares) for part in parts if part.state in (REFERENCE_ONLY, SERVED_ONLY, FEW)]
    for audience, value in moved.items():
        if value > settings.max_moved_share:
            changes.append(
                f"{percent(value)} of what the scores of users {audience} differ by has moved from some parts to "
                f"others, more than {percent(settings.max_moved_share)}: {_most_moved(shares[audience])}."
            )
    return EmbeddingDrift(
        reference, new_evidence, limits, tuple(parts), shares, moved, fresh, tuple(breaks), tuple(changes),
        warns=any(value > settings.max_moved_share for value in moved.values()),
    )  # fmt: skip


def _compared(
    kind: str, block: str, old_ND: Float, new_ND: Float, settings: MonitoringSettings, seed: int
) -> PartDrift:
    """Two states of one part, and the distances where both tell entities apart."""
    if not (np.isfinite(old_ND).all() and np.isfinite(new_ND).all()):
        raise DataError(f"drift: a vector of {kind} holds NaN or an infinite value in its part {block}")
    before, now = holds(old_ND), holds(new_ND)
    if before != TELLS or now != TELLS:
        return PartDrift(kind, block, _state(block, before, now), 0, 0)
    held_old_N, held_new_N = held_rows(old_ND), held_rows(new_ND)
    both_N = held_old_N & held_new_N
    counts = int((held_new_N & ~held_old_N).sum()), int((held_old_N & ~held_new_N).sum())
    if both_N.sum() <= settings.neighbours:
        return PartDrift(kind, block, FEW, *counts)
    # Fewer dimensions of a part are zeros in their place: these change no norm, angle or rotation.
    width = max(old_ND.shape[1], new_ND.shape[1])
    old_ND, new_ND = (np.pad(v[both_N], ((0, 0), (0, width - v.shape[1]))) for v in (old_ND, new_ND))
    found = vector_drift(old_ND, new_ND, neighbours=settings.neighbours, sample=settings.drift_sample, seed=seed)
    steadiest = steadiest_correlation(old_ND, new_ND) if block == POPULARITY else None
    return PartDrift(kind, block, COMPARED, *counts, found, steadiest)


def _state(block: str, before: str, now: str) -> str:
    """Of a part that does not tell entities apart in both.

    The model leaves a part out by giving it no dimension, or by keeping no gradient step: what is learned is then the
    same for all. Data alone makes the other parts: once they hold something, nothing but a defect empties them.
    """
    if now == TELLS:
        return SERVED_ONLY
    if now == ZERO and before == SAME:
        return LOST
    if before != TELLS:
        return NEITHER
    return REFERENCE_ONLY if now == ABSENT or (now == SAME and block == LEARNED) else LOST


def _breaks(part: PartDrift, known: int, limits: Limits, settings: MonitoringSettings) -> list[str]:
    name = f"{part.kind}, {part.block}"
    if part.state == LOST:
        return [f"{name}: in what is served it is zero or the same for all, where the reference held something else."]
    broken = []
    if part.vanished > settings.max_vanished * known:
        broken.append(
            f"{name}: {percent(part.vanished / known)} have lost it, more than {percent(settings.max_vanished)}."
        )
    found = part.drift
    if found is None:
        return broken
    ratio, most = 1 + found.norm_change, limits.max_norm_ratio
    if not 1 / most <= ratio <= most:
        broken.append(
            f"{name}: the median norm changed by {signed_percent(found.norm_change)}, more than "
            f"{signed_percent(most - 1 if ratio > 1 else 1 / most - 1)}."
        )
    # Of few entities, as many more as chance allows.
    chance = (
        float(scipy.stats.binom.ppf(settings.drift_confidence, found.entities, limits.max_norms_moved)) / found.entities
    )
    if found.norms_moved > chance:
        broken.append(
            f"{name}: the norm of {percent(found.norms_moved)} changed by more than a factor of {TWICE:.0f} beside the "
            f"others', more than {percent(chance)}."
        )
    if part.steadiest is not None:
        # A handful of numbers with ties. Directions and neighbours among these change with every window: healthy fits
        # of a store that is mostly browsed had a cosine of .68 with three tenths of the events new.
        if part.steadiest < limits.min_cosine:
            broken.append(
                f"{name}: the number that changed least has a correlation of {part.steadiest:.3f} with what it was, "
                f"below {limits.min_cosine:.3f}."
            )
        return broken
    if found.aligned_cosine < limits.min_cosine:
        broken.append(
            f"{name}: the mean cosine after the best rotation is {found.aligned_cosine:.3f}, below "
            f"{limits.min_cosine:.3f}."
        )
    if found.neighbour_overlap < limits.min_overlap:
        broken.append(
            f"{name}: {percent(found.neighbour_overlap)} of the nearest neighbours are kept, less than "
            f"{percent(limits.min_overlap)}."
        )
    return broken


def _presence(part: PartDrift, shares: Mapping[str, Shares]) -> str:
    """What a part carries, of the audience for whom it carries the most."""
    carried = {
        audience: (of["reference"].get(part.block, 0.0), of["served"].get(part.block, 0.0))
        for audience, of in shares.items()
    }
    words = f"{part.kind}, {part.block}: {part.state if part.state != FEW else 'too few hold it in both to compare'}"
    if not carried:
        return f"{words}."
    audience = max(carried, key=lambda a: max(carried[a]))
    before, now = carried[audience]
    return (
        f"{words}; of what the scores of users {audience} differ by it carried {percent(before)}, and carries "
        f"{percent(now)} now."
    )


def _most_moved(shares: Shares) -> str:
    """The two parts whose shares moved most, from what to what."""
    before, now = shares["reference"], shares["served"]
    names = sorted({*before, *now}, key=lambda n: -abs(now.get(n, 0.0) - before.get(n, 0.0)))[:2]
    return ", ".join(f"{n} from {percent(before.get(n, 0.0))} to {percent(now.get(n, 0.0))}" for n in names)
