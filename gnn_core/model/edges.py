"""Edges as the encoders use them: index, weight, and a weighted-mean aggregation that is a sparse matrix product.

What belongs here: tensors of one edge type. What does not: parameters (encoder.py), where edges come from (graph/).

Shape letters: E edges, T targets, N sources, H width.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from gnn_core.graph.hetero import EDGE_TYPES, NODE_TYPES, EdgeType, HeteroGraph

# Torch says so once a process whoever asks; the one product that is used here is tested against hand values.
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


class Edges:
    """Directed weighted edges from N sources to T targets."""

    def __init__(self, source: NDArray, target: NDArray, weight: NDArray, n_source: int, n_target: int) -> None:
        """Build both directions of the mean aggregation once; a training step only multiplies.

        Args:
            source: (E,) int.
            target: (E,) int.
            weight: (E,) > 0.
            n_source: number of source nodes.
            n_target: number of target nodes; one without an edge aggregates to zeros.
        """
        total = np.bincount(target, weights=weight.astype(np.float64), minlength=n_target)
        share = (weight / np.maximum(total[target], np.finfo(np.float64).tiny)).astype(np.float32)
        mean = sparse.csr_matrix((share, (target, source)), shape=(n_target, n_source))
        self._mean_TN, self._mean_NT = _to_torch(mean), _to_torch(mean.T.tocsr())
        self.index = torch.from_numpy(np.stack([source, target]).astype(np.int64))
        self.log_weight = torch.from_numpy(np.log1p(weight).astype(np.float32))[:, None]
        strength = np.where(total > 0, np.maximum(total, np.finfo(np.float32).tiny), 0.0)
        self.strength = torch.from_numpy(strength.astype(np.float32))[:, None]
        """(T, 1) sum of the weights that reach each target; above 0 wherever an edge does, however faded."""

    def mean(self, source_NH: Tensor) -> Tensor:
        """(T, H) weighted mean over each target's sources; zeros for a target without an edge."""
        return _SparseProduct.apply(source_NH, self._mean_TN, self._mean_NT)

    def to(self, device: torch.device) -> Edges:
        """Move every tensor; returns itself."""
        for name, value in vars(self).items():
            setattr(self, name, value.to(device))
        return self


def graph_edges(graph: HeteroGraph, shared: dict[EdgeType, Edges] | None = None) -> dict[EdgeType, Edges]:
    """The seven edge types of a graph; those in `shared` are taken as they are (fitment is the same in every fold)."""
    n = {t: int(graph.data[t].num_nodes) for t in NODE_TYPES}
    edges = dict(shared or {})
    for kind in EDGE_TYPES:
        if kind not in edges:
            store = graph.data[kind]
            source, target = store.edge_index.numpy()
            edges[kind] = Edges(source, target, store.edge_weight.numpy(), n[kind[0]], n[kind[2]])
    return edges


class _SparseProduct(torch.autograd.Function):
    """Constant sparse @ dense whose gradient is another CSR product, instead of a transposition at every step."""

    @staticmethod
    def forward(ctx: Any, dense: Tensor, matrix: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed @ grad[0].contiguous(), None, None


def _to_torch(matrix: sparse.csr_matrix) -> Tensor:
    matrix.sort_indices()
    parts = (torch.from_numpy(matrix.indptr.astype(np.int64)), torch.from_numpy(matrix.indices.astype(np.int64)))
    return torch.sparse_csr_tensor(*parts, torch.from_numpy(matrix.data), size=matrix.shape, check_invariants=False)
