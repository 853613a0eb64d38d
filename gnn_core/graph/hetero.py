"""The heterogeneous graph of a snapshot: 3 node types, 7 edge types, ids beside the tensors, a digest.

What belongs here: node and edge tensors as PyG HeteroData. What does not: learning (model/, training/).

Vehicle nodes are make/model segments: they merge a 1967 and a 2018 car of one name, which is fine for learning taste.
What fits is decided elsewhere on year/make/model rows. Only users with an event are nodes, because a user without one
sends no message; they are counted in their segments' owner feature and get their vector from their vehicles later.

Shape letters: A users with an event, U all users, P products, S segments, K interaction pairs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch_geometric.data import HeteroData

from gnn_core.config.learning import GraphSettings
from gnn_core.graph.copurchase import CoPurchaseCounts, CoPurchaseEdges, count_joint_orders, prune
from gnn_core.graph.features import (
    PriceFeature,
    orders_per_product,
    price_feature,
    product_features,
    vehicle_features,
)
from gnn_core.graph.interactions import WeightedPairs, decayed_pairs
from gnn_core.graph.text import NameFeatures, name_features
from gnn_core.snapshot import Int, Snapshot

NODE_TYPES = ("user", "product", "vehicle")
EdgeType = tuple[str, str, str]
INTERACTS: EdgeType = ("user", "interacts", "product")
REV_INTERACTS: EdgeType = ("product", "rev_interacts", "user")
FITS: EdgeType = ("product", "fits", "vehicle")
REV_FITS: EdgeType = ("vehicle", "rev_fits", "product")
OWNS: EdgeType = ("user", "owns", "vehicle")
REV_OWNS: EdgeType = ("vehicle", "rev_owns", "user")
CO_PURCHASED: EdgeType = ("product", "co_purchased", "product")
EDGE_TYPES = (INTERACTS, REV_INTERACTS, FITS, REV_FITS, OWNS, REV_OWNS, CO_PURCHASED)


@dataclass(frozen=True)
class Structure:
    """What events cannot change: ownership, fitment and prices of a snapshot, at make/model level."""

    owns_US: sparse.csr_matrix
    fits_SP: sparse.csr_matrix
    """bool"""
    fit_share_SP: sparse.csr_matrix
    """Share of the segment's model years that the product fits, in (0, 1]; same pattern as fits_SP."""
    owners_S: NDArray[np.float64]
    price: PriceFeature
    names: NameFeatures | None = None
    """None = names are not read (graph.text_features)."""


@dataclass(frozen=True)
class HeteroGraph:
    """HeteroData with `x`, codes and weighted edges, and what its rows stand for."""

    data: HeteroData
    user_A: Int
    """Index in the snapshot of each user node, ascending."""
    user_ids: NDArray[np.object_]
    """(A,)"""
    product_ids: NDArray[np.object_]
    segment_ids: NDArray[np.object_]
    make_ids: NDArray[np.object_]
    part_types: NDArray[np.object_]
    orders_P: Int
    as_of: np.datetime64

    def digest(self) -> str:
        """SHA-256 over ids, features and edges; equal for equal graphs on any run, process or thread count."""
        sha = hashlib.sha256(str(self.as_of).encode())
        for ids in (self.user_ids, self.product_ids, self.segment_ids, self.make_ids, self.part_types):
            sha.update("\x1f".join(map(str, ids)).encode() + b"\x1e")
        for store in (*self.data.node_stores, *self.data.edge_stores):
            for name in sorted(store.keys()):
                if isinstance(store[name], torch.Tensor):
                    sha.update(f"{store._key}{name}{tuple(store[name].shape)}".encode())
                    sha.update(store[name].contiguous().numpy().tobytes())
        return sha.hexdigest()

    def summary(self) -> dict[str, int]:
        """Number of nodes by type and of edges by type name, for reports."""
        nodes = {f"nodes_{t}": int(self.data[t].num_nodes) for t in NODE_TYPES}
        return nodes | {f"edges_{e[1]}": int(self.data[e].edge_index.shape[1]) for e in EDGE_TYPES}


def build_structure(train: Snapshot, text_features: int = 0) -> Structure:
    """Ownership and fitment at make/model level; the costly part of a graph, shared by graphs of other event sets.

    `text_features`: dimensions of the product names; 0 = names are not read.
    """
    n_V, n_S = len(train.vehicle_ids), len(train.segment_ids)
    ones = np.ones(n_V, dtype=np.float32)
    segment_SV = sparse.csr_matrix((ones, (train.segment_V, np.arange(n_V))), shape=(n_S, n_V))
    years_SP = sparse.csr_matrix(segment_SV @ train.fits_VP)
    years_SP.sort_indices()
    years_S = np.maximum(np.bincount(train.segment_V, minlength=n_S), 1)
    fits_SP, fit_share_SP = years_SP.copy(), years_SP.copy()
    fits_SP.data = np.ones_like(fits_SP.data)
    fit_share_SP.data = (years_SP.data / np.repeat(years_S, np.diff(years_SP.indptr))).astype(np.float32)
    owns_US = train.owns_US
    owners_S = np.bincount(owns_US.indices, minlength=n_S).astype(np.float64)
    price = price_feature(train.price_P, train.part_type_P)
    names = name_features(train.products["name"], text_features) if text_features else None
    return Structure(owns_US, fits_SP, fit_share_SP, owners_S, price, names)


def build_graph(
    train: Snapshot,
    settings: GraphSettings,
    structure: Structure | None = None,
    *,
    joint: CoPurchaseCounts | None = None,
) -> HeteroGraph:
    """The graph of everything that `train` knows; `train` must already be cut (Snapshot.before).

    Args:
        train: snapshot; ages count from its `as_of`.
        settings: event weights, decay, co-purchase rules.
        structure: `build_structure` of a snapshot with the same users, vehicles and products, to save its cost.
        joint: joint orders of these very events, where they are known (refresh.py).
    Returns:
        Nodes: product.x (P, 5 + text_features), product.part_type (P,), vehicle.x (S, 2), vehicle.make (S,). Every edge
        type has edge_index (2, n) int64 and edge_weight (n,) float32 > 0: decayed events, log(1 + joint orders), share
        of model years for fitment, 1 for ownership. Edges are sorted by (source, target) of the forward type.
    Raises:
        LeakageError: an event lies at or after `train.as_of`.
    """
    known = build_structure(train, settings.text_features) if structure is None else structure
    n_P = len(train.product_ids)
    pairs = decayed_pairs(train.events, train.as_of, n_P, settings)
    counts = count_joint_orders(train.events, n_P) if joint is None else joint
    co_purchase = prune(counts, n_P, settings)
    user_A = np.unique(train.events.user_E)
    orders_P = orders_per_product(train)
    interest_P = np.bincount(pairs.product_K, weights=pairs.weight_K, minlength=n_P).astype(np.float64)

    data = HeteroData()
    data["user"].num_nodes = len(user_A)
    columns = product_features(known.price, orders_P, interest_P, known.fits_SP)
    if known.names is not None:
        columns = np.concatenate([columns, known.names.table_PD], axis=1)
    data["product"].x = torch.from_numpy(columns)
    data["product"].part_type = torch.from_numpy(train.part_type_P)
    data["product"].num_nodes = n_P
    data["vehicle"].x = torch.from_numpy(vehicle_features(known.owners_S, known.fits_SP))
    data["vehicle"].make = torch.from_numpy(train.make_S)
    data["vehicle"].num_nodes = len(train.segment_ids)
    _add_edges(data, known, user_A, pairs, co_purchase)
    return HeteroGraph(
        data=data,
        user_A=user_A,
        user_ids=train.user_ids[user_A],
        product_ids=train.product_ids,
        segment_ids=train.segment_ids,
        make_ids=train.make_ids,
        part_types=train.part_types,
        orders_P=orders_P,
        as_of=train.as_of,
    )


def _add_edges(
    data: HeteroData, structure: Structure, user_A: Int, pairs: WeightedPairs, co_purchase: CoPurchaseEdges
) -> None:
    node_K = np.searchsorted(user_A, pairs.user_K)
    _edge(data, INTERACTS, REV_INTERACTS, node_K, pairs.product_K, pairs.weight_K)
    share = structure.fit_share_SP.tocsc()
    share.sort_indices()
    product_F = np.repeat(np.arange(share.shape[1]), np.diff(share.indptr))
    _edge(data, FITS, REV_FITS, product_F, share.indices, share.data)
    owned = structure.owns_US[user_A]
    owner_O = np.repeat(np.arange(len(user_A)), np.diff(owned.indptr))
    _edge(data, OWNS, REV_OWNS, owner_O, owned.indices, np.ones(owned.nnz))
    _edge(data, CO_PURCHASED, None, co_purchase.source_C, co_purchase.target_C, co_purchase.weight_C)


def _edge(
    data: HeteroData, forward: EdgeType, reverse: EdgeType | None, source: NDArray, target: NDArray, weight: NDArray
) -> None:
    index = torch.from_numpy(np.stack([source.astype(np.int64), target.astype(np.int64)]))
    # An event of long ago may underflow to 0 in float32; an edge of weight 0 would be no edge.
    positive = torch.from_numpy(np.maximum(weight, np.finfo(np.float32).tiny).astype(np.float32))
    data[forward].edge_index, data[forward].edge_weight = index, positive
    if reverse is not None:
        data[reverse].edge_index, data[reverse].edge_weight = index.flip(0).contiguous(), positive.clone()
