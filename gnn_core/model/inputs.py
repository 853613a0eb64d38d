"""Everything constant that the network reads: one graph's tensors, and the users who are to be read out.

What belongs here: arrays → tensors. What does not: parameters (network.py), making the arrays (graph/, factors.py).

Shape letters: P products, S segments, A user nodes, Q queried users, D vehicle factors, I item factors.
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


@dataclass
class GraphInputs:
    """One graph, and the factors of the same events, as tensors on one device."""

    product_x: Tensor
    part_type_P: Tensor
    log_orders_P: Tensor
    """log(orders + ½)"""
    vehicle_x: Tensor
    make_S: Tensor
    user_row_A: Tensor
    """Row of each user node in the table of user ids; unused without user ids."""
    edges: dict[EdgeType, Edges]
    product_factor: Tensor
    """(P, D + I)"""
    vehicle_factor_SD: Tensor
    vehicle_item_SI: Tensor
    evidence_S: Tensor
    """(S, 1)"""

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
    graph: HeteroGraph, factors: Factors, known_user_U: Int, shared: dict[EdgeType, Edges] | None = None
) -> GraphInputs:
    """Tensors of a graph and its factors.

    Args:
        graph: nodes and edges.
        factors: computed from the same events.
        known_user_U: (U,) row of each user of the snapshot in the table of user ids, -1 without one.
        shared: edges to take over instead of building them again.
    """
    vehicle, product = _balanced(factors.vehicle_SD, factors.product_PD)
    return GraphInputs(
        product_x=graph.data["product"].x,
        part_type_P=graph.data["product"].part_type,
        log_orders_P=torch.from_numpy(np.log(graph.orders_P + 0.5).astype(np.float32)),
        vehicle_x=graph.data["vehicle"].x,
        make_S=graph.data["vehicle"].make,
        user_row_A=torch.from_numpy(known_user_U[graph.user_A]),
        edges=graph_edges(graph, shared),
        product_factor=torch.from_numpy(np.concatenate([product, factors.item_PI], axis=1)),
        vehicle_factor_SD=torch.from_numpy(vehicle),
        vehicle_item_SI=torch.from_numpy(factors.vehicle_item_SI),
        evidence_S=torch.from_numpy(factors.evidence_S)[:, None],
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


def _balanced(left: NDArray[np.float32], right: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """The same inner products from rows of equal root mean square on both sides, so that one slack suits both."""
    size = [float(np.sqrt(np.square(a).sum(axis=1).mean())) if a.size else 0.0 for a in (left, right)]
    if min(size) <= 0:
        return left, right
    ratio = np.float32(np.sqrt(size[0] / size[1]))
    return left / ratio, right * ratio
