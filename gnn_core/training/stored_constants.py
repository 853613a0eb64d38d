"""Constants of a fitted model as named tensors and back, so that reading a checkpoint computes nothing again.

What belongs here: which array goes under which name. What does not: the file format (checkpoint.py), computing them
(constants.py).

At 2,000 make/models and 25,000 products the paths take far longer to compute than to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import torch
from scipy import sparse
from torch import Tensor

from gnn_core.errors import ArtifactError
from gnn_core.model.factors import Factors
from gnn_core.model.item_graph import ItemGraph
from gnn_core.training.constants import Constants

CONSTANTS = "constants/"
_EDGES = ("near_PP", "follows_PP")


def to_tensors(constants: Constants) -> dict[str, Tensor]:
    """Every array under `constants/…`; edges as the three arrays of a compressed sparse matrix."""
    tensors = {f.name: torch.from_numpy(getattr(constants.factors, f.name)) for f in fields(Factors)}
    for name in _EDGES:
        edges: sparse.csr_matrix = getattr(constants.items, name)
        for part in ("data", "indices", "indptr"):
            tensors[f"{name}/{part}"] = torch.from_numpy(getattr(edges, part))
    return {CONSTANTS + name: tensor for name, tensor in tensors.items()}


def from_tensors(tensors: Mapping[str, Tensor]) -> tuple[Factors, ItemGraph]:
    """The inverse of `to_tensors`, of a checkpoint's part `constants/`.

    Raises:
        ArtifactError: one of the arrays is missing.
    """
    try:
        factors = Factors(**{f.name: tensors[f.name].numpy() for f in fields(Factors)})
        size = len(factors.product_PD)
        near, follows = (_edges(tensors, name, size) for name in _EDGES)
    except KeyError as missing:
        raise ArtifactError(f"checkpoint: {CONSTANTS}{missing.args[0]} is missing; train again") from missing
    return factors, ItemGraph(near, follows, factors.left_PI, factors.right_PI)


def _edges(tensors: Mapping[str, Tensor], name: str, size: int) -> sparse.csr_matrix:
    parts = tuple(tensors[f"{name}/{part}"].numpy() for part in ("data", "indices", "indptr"))
    return sparse.csr_matrix(parts, shape=(size, size))
