"""Everything constant that the network reads: one graph's tensors, and the users who are to be read out.

What belongs here: arrays → tensors. What does not: parameters (network.py), making the arrays (graph/, factors.py).

Shape letters: P products, S segments, A user nodes, Q queried users, D vehicle factors, K product features, I item
factors, F spectral factors, B dimensions of fitment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from gnn_core.graph.hetero import FITS, REV_FITS, EdgeType, HeteroGraph
from gnn_core.model.edges import Edges, graph_edges
from gnn_core.model.factors import Factors
from gnn_core.snapshot import Int


@dataclass(frozen=True)
class ScoreWeights:
    """How constants add up to a score; float32."""

    cold_K: NDArray[np.float32]
    warm_K: NDArray[np.float32]
    warm_parts: NDArray[np.float32]


@dataclass
class GraphInputs:
    """One graph, and the factors of the same events, as tensors on one device."""

    product_x: Tensor
    part_type_P: Tensor
    vehicle_x: Tensor
    make_S: Tensor
    user_row_A: Tensor
    """Row of each user node in the table of user ids; unused without user ids."""
    edges: dict[EdgeType, Edges]
    product_const: Tensor
    """(P, D + K + I + F + B)"""
    vehicle_const_SD: Tensor
    item_left_PI: Tensor
    """(P, I + F + B), weighed: what a product in a history says of others."""
    cold_K: Tensor
    """Weights of the product features for a user without history."""
    warm_K: Tensor
    """The same for a user with one."""
    warm_parts: Tensor
    """(4,) weights of the vehicles' lift, the item graph, the spectral factors and fitment for a user with history; the
    last three are in `item_left_PI` already."""

    @property
    def fitment_edges(self) -> dict[EdgeType, Edges]:
        """The edges that every fold shares, since events cannot change them."""
        return {kind: self.edges[kind] for kind in (FITS, REV_FITS)}

    def to(self, device: torch.device) -> GraphInputs:
        """Move every tensor; returns itself."""
        for name, value in vars(self).items():
            moved = {k: e.to(device) for k, e in value.items()} if name == "edges" else value.to(device)
            setattr(self, name, moved)
        return self


@dataclass
class Queries:
    """Users to read out. They need not be nodes of the graph."""

    owns: Edges
    """segment → query"""
    history: Edges
    """product → query, decayed weights; a cold user has none"""
    user_row_Q: Tensor
    """Row in the table of user ids, -1 for a user without one."""

    def to(self, device: torch.device) -> Queries:
        """Move every tensor; returns itself."""
        self.owns, self.history = self.owns.to(device), self.history.to(device)
        self.user_row_Q = self.user_row_Q.to(device)
        return self


def graph_inputs(
    graph: HeteroGraph,
    factors: Factors,
    weights: ScoreWeights,
    known_user_U: Int,
    shared: dict[EdgeType, Edges] | None = None,
) -> GraphInputs:
    """Tensors of a graph and its factors.

    Args:
        graph: nodes and edges.
        factors: computed from the same events. weights: how the score adds them up.
        known_user_U: (U,) row of each user of the snapshot in the table of user ids, -1 without one.
        shared: edges to take over instead of building them again.
    """
    _, items, spectral, fitment = weights.warm_parts
    said = [items * factors.left_PI, spectral * factors.in_PF, fitment * factors.fitment_PA]
    heard = [factors.right_PI, factors.out_PF, factors.fitment_PA]
    return GraphInputs(
        product_x=graph.data["product"].x,
        part_type_P=graph.data["product"].part_type,
        vehicle_x=graph.data["vehicle"].x,
        make_S=graph.data["vehicle"].make,
        user_row_A=torch.from_numpy(known_user_U[graph.user_A]),
        edges=graph_edges(graph, shared),
        product_const=torch.from_numpy(np.concatenate([factors.product_PD, factors.product_PK, *heard], axis=1)),
        vehicle_const_SD=torch.from_numpy(factors.vehicle_SD),
        item_left_PI=torch.from_numpy(np.concatenate(said, axis=1)),
        cold_K=torch.from_numpy(weights.cold_K),
        warm_K=torch.from_numpy(weights.warm_K),
        warm_parts=torch.from_numpy(weights.warm_parts),
    )


def queries(
    owns_QS: sparse.csr_matrix, history_QP: sparse.csr_matrix, user_row_Q: NDArray[np.int64] | None = None
) -> Queries:
    """Users given by their segments and by the decayed weights of their own events.

    Args:
        owns_QS: bool.
        history_QP: weights > 0; stored zeros are dropped.
        user_row_Q: rows in the table of user ids; None = nobody has one.
    """
    history_QP = history_QP.tocsr()
    history_QP.eliminate_zeros()
    rows = np.full(owns_QS.shape[0], -1, dtype=np.int64) if user_row_Q is None else user_row_Q
    return Queries(_towards(owns_QS.tocsr()), _towards(history_QP), torch.from_numpy(rows))


def _towards(weights_QN: sparse.csr_matrix) -> Edges:
    n_queries, n_sources = weights_QN.shape
    target = np.repeat(np.arange(n_queries), np.diff(weights_QN.indptr))
    return Edges(weights_QN.indices, target, weights_QN.data, n_sources, n_queries)
