"""Message passing: HeteroConv layers of one of three kinds, with a residual path at every layer and node type.

What belongs here: convolutions over the seven edge types, and reading out users who are not nodes of the graph.
What does not: node inputs and the score (network.py).

Shape letters: N nodes of a type, Q queried users, H width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv, HeteroConv

from gnn_core.config.learning import ModelSettings
from gnn_core.graph.hetero import EDGE_TYPES, NODE_TYPES, REV_INTERACTS, REV_OWNS, EdgeType
from gnn_core.model.edges import Edges

States = dict[str, Tensor]


class AttentionConv(nn.Module):
    """GATConv with the edge weight as edge feature.

    No self loops: in a bipartite relation PyG would tie user i to vehicle i. The node's own state survives by the
    layer's residual path instead; a user with one edge has attention 1 on it and would otherwise lose itself.
    """

    def __init__(self, width: int, settings: ModelSettings) -> None:
        super().__init__()
        per_head = width // settings.heads
        self.conv = GATConv((width, width), per_head, settings.heads, edge_dim=1, add_self_loops=False)

    def forward(self, x: tuple[Tensor, Tensor] | Tensor, edges: Edges) -> Tensor:
        """(T, H) from (sources, targets)."""
        return self.conv(x if isinstance(x, tuple) else (x, x), edges.index, edges.log_weight)


class MeanConv(nn.Module):
    """GraphSAGE: a learned matrix on the weighted mean of the neighbours."""

    def __init__(self, width: int, settings: ModelSettings) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: tuple[Tensor, Tensor] | Tensor, edges: Edges) -> Tensor:
        """(T, H) from (sources, targets)."""
        return self.linear(edges.mean(x[0] if isinstance(x, tuple) else x))


class LightConv(nn.Module):
    """Propagation without a matrix: gain × confidence × weighted mean, two learned numbers an edge type.

    Confidence is strength / (strength + κ): the mean of few or faded neighbours counts for less.
    """

    def __init__(self, width: int, settings: ModelSettings) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.log_kappa = nn.Parameter(torch.tensor(0.0))

    def forward(self, x: tuple[Tensor, Tensor] | Tensor, edges: Edges) -> Tensor:
        """(T, H) from (sources, targets)."""
        mean = edges.mean(x[0] if isinstance(x, tuple) else x)
        return self.gain * mean * (edges.strength / (edges.strength + self.log_kappa.exp()))


CONVOLUTIONS: Mapping[str, Callable[[int, ModelSettings], nn.Module]] = {
    "gat": AttentionConv,
    "sage": MeanConv,
    "light": LightConv,
}


class Layer(nn.Module):
    """One HeteroConv over the seven edge types, added to the node's own state."""

    def __init__(self, width: int, settings: ModelSettings) -> None:
        super().__init__()
        make = CONVOLUTIONS[settings.encoder]
        self.conv = HeteroConv({kind: make(width, settings) for kind in EDGE_TYPES}, aggr="sum")
        linear = settings.encoder == "light"
        self.norms = nn.ModuleDict({t: nn.Identity() if linear else nn.LayerNorm(width) for t in NODE_TYPES})
        self.activation = nn.Identity() if linear else nn.ELU()
        self.dropout = nn.Dropout(0.0 if linear else settings.dropout)

    def forward(self, states: States, edges: Mapping[EdgeType, Edges]) -> States:
        """New states of the types in `states` that some edge type in `edges` reaches; the others keep theirs."""
        messages = self.conv(states, edges)
        return {
            t: h + self.dropout(self.activation(self.norms[t](messages[t]))) if t in messages else h
            for t, h in states.items()
        }


class Encoder(nn.Module):
    """Layers of message passing; a node's representation is the sum of its states over all layers."""

    def __init__(self, width: int, settings: ModelSettings) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer(width, settings) for _ in range(settings.layers)])

    def forward(self, inputs: States, edges: Mapping[EdgeType, Edges]) -> list[States]:
        """States of user, product and vehicle nodes before the first layer and after each: layers + 1 entries."""
        states = [inputs]
        for layer in self.layers:
            states.append(layer(states[-1], edges))
        return states

    def read_out(self, states: list[States], users_QH: Tensor, owns: Edges, history: Edges) -> Tensor:
        """(Q, H) representation of users who receive messages but send none.

        This is what the graph would give them if they were nodes whom nobody listens to, so a cold, a brand-new or a
        held-out user needs no retraining.

        Args:
            states: what `forward` returned.
            users_QH: own input of each user; zeros when users have no id embedding.
            owns: segment → user.
            history: product → user, decayed weights; no edge for a cold user.
        """
        here, total = users_QH, users_QH
        edges = {REV_OWNS: owns, REV_INTERACTS: history}
        for layer, state in zip(self.layers, states, strict=False):
            given = {"user": here, "vehicle": state["vehicle"], "product": state["product"]}
            here = layer(given, edges)["user"]
            total = total + here
        return total


def summed(states: list[States], node_type: str) -> Tensor:
    """(N, H) sum over layers of one node type's states."""
    return torch.stack([s[node_type] for s in states]).sum(dim=0)
