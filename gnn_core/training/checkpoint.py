"""Checkpoints: tensors and JSON in one safetensors file, written whole or not at all; rows keyed by entity id.

What belongs here: saving, loading, carrying rows over to other entities. What does not: when to save (trainer.py).

Shape letters: N new rows, O old rows, H width.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gnn_core.errors import ArtifactError

MODEL, OPTIMIZER = "model/", "optimizer/"
FORMAT = 4


@dataclass(frozen=True)
class Checkpoint:
    """Weights (`model/…`), optimizer moments (`optimizer/…`), and what they belong to."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]
    """JSON: format, settings, entity ids of each table's rows, graph digest, as-of, steps, history."""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix`, without it."""
        return {name[len(prefix) :]: t for name, t in self.tensors.items() if name.startswith(prefix)}

    def digest(self) -> str:
        """SHA-256 of everything in it."""
        return hashlib.sha256(to_bytes(self)).hexdigest()


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """One safetensors file as bytes, JSON in its header; equal checkpoints give equal bytes."""
    tensors = {name: checkpoint.tensors[name].detach().cpu().contiguous() for name in sorted(checkpoint.tensors)}
    return safetensors.torch.save(tensors, metadata={"meta": json.dumps(checkpoint.meta, sort_keys=True)})


def from_bytes(content: bytes) -> Checkpoint:
    """The inverse of `to_bytes`.

    Raises:
        ArtifactError: the bytes are no checkpoint of this format.
    """
    try:
        size = int.from_bytes(content[:8], "little")
        meta = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["meta"])
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"checkpoint: the bytes are damaged or no checkpoint ({error}); train again") from error
    if meta.get("format") != FORMAT:
        raise ArtifactError(f"checkpoint: format {meta.get('format')!r}, this version reads {FORMAT}; train again")
    return Checkpoint(tensors, meta)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write atomically: a crash leaves the previous file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(path.suffix + ".partial")
    with partial.open("wb") as file:
        file.write(to_bytes(checkpoint))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load(path: Path) -> Checkpoint:
    """Read what `save` wrote.

    Raises:
        ArtifactError: the file is missing, damaged or of another format.
    """
    if not path.is_file():
        raise ArtifactError(f"checkpoint {path}: no such file")
    return from_bytes(path.read_bytes())


def carry_rows(
    old_OH: Tensor, old_ids: Sequence[str], new_ids: Sequence[str], old_groups: Sequence[str], new_groups: Sequence[str]
) -> tuple[Tensor, np.ndarray]:
    """Rows of a table for this week's entities, found by id.

    A known id keeps its row, wherever it stood. A new one starts from the mean of the old rows of its group (a segment
    from its make, a product from its part type), and from the mean of all old rows when the group is new too.

    Returns:
        (N, H) rows, and (N,) the old row of each, -1 for a new entity.
    """
    old = old_OH.detach().cpu().double().numpy()
    position = {entity: row for row, entity in enumerate(old_ids)}
    source_N = np.array([position.get(entity, -1) for entity in new_ids], dtype=np.int64)
    groups = sorted(set(old_groups))
    code = {group: i for i, group in enumerate(groups)}
    group_O = np.array([code[g] for g in old_groups], dtype=np.int64)
    sums = np.zeros((len(groups), old.shape[1]))
    np.add.at(sums, group_O, old)
    means = sums / np.maximum(np.bincount(group_O, minlength=len(groups)), 1)[:, None]
    overall = old.mean(axis=0) if len(old) else np.zeros(old.shape[1])
    fresh = [means[code[g]] if g in code else overall for g in new_groups]
    start = np.stack(fresh) if fresh else np.zeros((0, old.shape[1]))
    kept = source_N >= 0
    start[kept] = old[source_N[kept]]
    return torch.from_numpy(start).to(old_OH.dtype), source_N


def carry_moments(old_OH: Tensor, source_N: np.ndarray) -> Tensor:
    """Optimizer moments of the carried rows; zero for new ones, whose past gradients belong to nobody."""
    moments = torch.zeros(len(source_N), *old_OH.shape[1:], dtype=old_OH.dtype)
    kept = np.flatnonzero(source_N >= 0)
    moments[kept] = old_OH.detach().cpu()[source_N[kept]]
    return moments


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Short digest of what a run is made from, to name its files."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
