"""The two-tower graph network: node inputs, message passing, towers, and a score that is one dot product.

What belongs here: parameters and how they combine. What does not: losses and steps (training/), constants (inputs.py).

    score(u, p) = c_u · c_p + s · cos(u, p) + b_p,     served as [c_u, s · u/|u|, 1] · [c_p, p/|p|, b_p]

c are constants of the graph's paths, only ever scaled; u, p and b are learned. The cosine's vectors carry slack, a
coordinate that the other side lacks: a side with little evidence points mostly at its slack, and its cosine with
everything is near 0. Without it the cosine forgets how much evidence there was.

Shape letters: P products, S segments, A user nodes, Q queried users, H width, L learned width, D vehicle factors,
K product features, I item factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gnn_core.config.learning import ModelSettings
from gnn_core.graph.features import PRODUCT_FEATURES, VEHICLE_FEATURES
from gnn_core.model.encoder import Encoder, States, summed
from gnn_core.model.inputs import GraphInputs, Queries

GAINS = ("popularity", "vehicle_lift", "item_graph")
"""Of the constants; 1 is what earlier choices say."""
SLACK_INIT = 3.0
"""Larger than most rows become early on, so that the cosine starts out nearly linear in them."""


@dataclass(frozen=True)
class TableSizes:
    """Number of rows of each embedding table."""

    products: int
    segments: int
    makes: int
    part_types: int
    users: int
    names: int = 0
    """Columns of the product features beyond PRODUCT_FEATURES."""


@dataclass
class Encoded:
    """A graph after message passing: all that users are read out from and scored against."""

    states: list[States]
    product_PO: Tensor
    """[c_p, p/|p|]"""
    bias_P: Tensor
    graph: GraphInputs


class Network(nn.Module):
    """Parameters; `encode` a graph, then `read_users` against it."""

    def __init__(self, sizes: TableSizes, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        dim = settings.embedding_dim
        width = dim if settings.encoder == "light" else settings.hidden_dim

        self.part_type = nn.Embedding(sizes.part_types, settings.part_type_dim)
        self.product_mlp = nn.Sequential(
            nn.Linear(settings.part_type_dim + len(PRODUCT_FEATURES) + sizes.names, dim), nn.ELU(), nn.Linear(dim, dim)
        )
        self.make = nn.Embedding(sizes.makes, dim)
        self.vehicle_id = nn.Embedding(sizes.segments, dim)
        self.vehicle_linear = nn.Linear(len(VEHICLE_FEATURES), dim)
        self.product_id = nn.Embedding(sizes.products, dim) if settings.product_id_embedding else None
        self.user_id = nn.Embedding(sizes.users, dim) if settings.user_id_embedding else None
        self.widen = nn.ModuleDict(
            {t: nn.Identity() if width == dim else nn.Linear(dim, width) for t in ("user", "product", "vehicle")}
        )
        self.encoder = Encoder(width, settings)
        self.user_tower = _tower(width, settings)
        self.product_tower = _tower(width, settings)
        self.bias_linear = nn.Linear(dim, 1) if settings.popularity_bias else None
        start = settings.scale_init * (SLACK_INIT**2 if settings.slack else 1.0)
        self.log_scale = nn.Parameter(torch.tensor(start).log())
        self.log_slack = nn.Parameter(torch.full((2,), SLACK_INIT).log()) if settings.slack else None
        self.gains = nn.ParameterDict({part: torch.tensor(1.0) for part in GAINS})
        self._initialise()

    def _initialise(self) -> None:
        for table in (self.part_type, self.make):
            nn.init.normal_(table.weight, std=table.embedding_dim**-0.5)
        # A vehicle starts as its make and a product as its attributes: an untrained row must not be noise.
        nn.init.zeros_(self.vehicle_id.weight)
        if self.product_id is not None:
            nn.init.zeros_(self.product_id.weight)
        if self.user_id is not None:
            nn.init.normal_(self.user_id.weight, std=self.user_id.embedding_dim**-0.5)
        if self.bias_linear is not None:
            nn.init.zeros_(self.bias_linear.weight)
            nn.init.zeros_(self.bias_linear.bias)
        if self.settings.slack:
            # Start exactly at the constants; the gradient then reaches the product side first.
            for parameter in self.product_tower[-1].parameters():
                nn.init.zeros_(parameter)

    @property
    def scale(self) -> Tensor:
        """s, positive."""
        return self.log_scale.exp()

    def embedding_parameters(self) -> list[Tensor]:
        """Rows looked up by entity; they learn at their own rate."""
        tables = (self.part_type, self.make, self.vehicle_id, self.product_id, self.user_id)
        return [t.weight for t in tables if t is not None]

    def encode(self, graph: GraphInputs) -> Encoded:
        """Message passing over one graph and the product side of the score."""
        typed = torch.cat([self.part_type(graph.part_type_P), graph.product_x], dim=1)
        product = self.product_mlp(typed)
        if self.product_id is not None:
            product = product + self.product_id.weight
        vehicle = self.make(graph.make_S) + self.vehicle_id.weight + self.vehicle_linear(graph.vehicle_x)
        inputs = {
            "user": self.widen["user"](self._user_input(graph.user_row_A)),
            "product": self.widen["product"](product),
            "vehicle": self.widen["vehicle"](vehicle),
        }
        states = self.encoder(inputs, graph.edges)
        learned = self._normalised(self.product_tower(summed(states, "product")), side=0)
        bias_P = torch.zeros(len(learned), device=learned.device)
        if self.bias_linear is not None:
            bias_P = self.bias_linear(product)[:, 0]
        return Encoded(states, torch.cat([graph.product_const, learned], dim=1), bias_P, graph)

    def read_users(self, encoded: Encoded, users: Queries) -> Tensor:
        """(Q, O) vectors [c_u, s · u/|u|] of users given by vehicles, history, and an id if they have one."""
        own = self.widen["user"](self._user_input(users.user_row_Q))
        learned = self.user_tower(self.encoder.read_out(encoded.states, own, users.owns, users.history))
        learned = self.scale * self._normalised(learned, side=1)
        graph, warm_Q1 = encoded.graph, (users.history.strength > 0).to(learned.dtype)
        vehicles = self.gains["vehicle_lift"] * (1 + warm_Q1 * (graph.warm_parts[0] - 1))
        popularity = self.gains["popularity"] * torch.lerp(graph.cold_K, graph.warm_K, warm_Q1)
        items = self.gains["item_graph"] * users.history.mean(graph.item_left_PI)
        return torch.cat([vehicles * users.owns.mean(graph.vehicle_const_SD), popularity, items, learned], dim=1)

    def _user_input(self, row: Tensor) -> Tensor:
        zeros = torch.zeros(len(row), self.settings.embedding_dim, device=row.device)
        if self.user_id is None:
            return zeros
        return torch.where(row[:, None] >= 0, self.user_id(row.clamp(min=0)), zeros)

    def _normalised(self, learned: Tensor, side: int) -> Tensor:
        if self.log_slack is None:
            return functional.normalize(learned, dim=1)
        slack = torch.zeros(len(learned), 2, device=learned.device)
        own = self.log_slack[side].exp().expand(len(learned), 1)
        slack = slack.index_add(1, torch.tensor([side], device=slack.device), own)
        return functional.normalize(torch.cat([learned, slack], dim=1), dim=1)


def _tower(width: int, settings: ModelSettings) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, settings.hidden_dim),
        nn.ELU(),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.hidden_dim, settings.output_dim),
    )
