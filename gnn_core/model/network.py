"""The two-tower graph network: node inputs, message passing, towers, and a score that is one dot product.

What belongs here: parameters and how they combine. What does not: losses and steps (training/), constants (inputs.py).

score(u, p) = s · cos(u, p) + b_p, served as [s · u/|u|, 1] · [p/|p|, b_p].

A vector has up to three parts: factors (constants, only ever scaled), what the encoder learned, and slack. Slack is a
coordinate that the other side lacks: a side with little evidence then points mostly at its slack, its cosine with
everything is near 0, and popularity decides. Without it the cosine forgets how much evidence there was.

Shape letters: P products, S segments, A user nodes, Q queried users, H width, O output.
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

SLACK_INIT = 3.0
"""Larger than most factor rows, so that the cosine starts out nearly linear in them."""
ITEM_GAIN_INIT = 10.0


@dataclass(frozen=True)
class TableSizes:
    """Number of rows of each embedding table."""

    products: int
    segments: int
    makes: int
    part_types: int
    users: int


@dataclass
class Encoded:
    """A graph after message passing: all that users are read out from and scored against."""

    states: list[States]
    product_PO: Tensor
    """L2-normalised."""
    bias_P: Tensor
    vehicle_factor: Tensor
    """(S, D + I)"""
    product_item_PI: Tensor


class Network(nn.Module):
    """Parameters; `encode` a graph, then `read_users` against it."""

    def __init__(self, sizes: TableSizes, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        dim = settings.embedding_dim
        width = dim if settings.encoder == "light" else settings.hidden_dim

        self.part_type = nn.Embedding(sizes.part_types, settings.part_type_dim)
        self.product_mlp = nn.Sequential(
            nn.Linear(settings.part_type_dim + len(PRODUCT_FEATURES), dim), nn.ELU(), nn.Linear(dim, dim)
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
        self.popularity_weight = nn.Parameter(torch.tensor(1.0)) if settings.popularity_bias else None
        start = settings.scale_init * (SLACK_INIT**2 if settings.slack else 1.0)
        self.log_scale = nn.Parameter(torch.tensor(start).log())
        self.log_slack = nn.Parameter(torch.full((2,), SLACK_INIT).log()) if settings.slack else None
        self.gains = nn.ParameterDict(
            {
                "vehicle_factor": torch.tensor(1.0),
                "vehicle_item": torch.tensor(ITEM_GAIN_INIT),
                "history_item": torch.tensor(ITEM_GAIN_INIT),
                "log_kappa_vehicle": torch.tensor(30.0).log(),
                "log_kappa_history": torch.tensor(1.0).log(),
            }
        )
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
            # Start exactly at factors and popularity; the gradient then reaches the product side first.
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
        learned = self.product_tower(summed(states, "product"))
        confidence = graph.evidence_S / (graph.evidence_S + self.gains["log_kappa_vehicle"].exp())
        items = self.gains["vehicle_item"] * confidence * graph.vehicle_item_SI
        n_items = graph.vehicle_item_SI.shape[1]
        return Encoded(
            states=states,
            product_PO=self._normalised(graph.product_factor, learned, side=0),
            bias_P=self._bias(graph, product),
            vehicle_factor=torch.cat([self.gains["vehicle_factor"] * graph.vehicle_factor_SD, items], dim=1),
            product_item_PI=graph.product_factor[:, graph.product_factor.shape[1] - n_items :],
        )

    def read_users(self, encoded: Encoded, users: Queries) -> Tensor:
        """(Q, O) L2-normalised vectors of users given by their vehicles, their history, and an id if they have one."""
        own = self.widen["user"](self._user_input(users.user_row_Q))
        learned = self.user_tower(self.encoder.read_out(encoded.states, own, users.owns, users.history))
        factors = users.owns.mean(encoded.vehicle_factor)
        strength = users.history.strength
        trust = self.gains["history_item"] * strength / (strength + self.gains["log_kappa_history"].exp())
        n_vehicle = factors.shape[1] - encoded.product_item_PI.shape[1]
        items = factors[:, n_vehicle:] + trust * users.history.mean(encoded.product_item_PI)
        return self._normalised(torch.cat([factors[:, :n_vehicle], items], dim=1), learned, side=1)

    def _user_input(self, row: Tensor) -> Tensor:
        zeros = torch.zeros(len(row), self.settings.embedding_dim, device=row.device)
        if self.user_id is None:
            return zeros
        return torch.where(row[:, None] >= 0, self.user_id(row.clamp(min=0)), zeros)

    def _bias(self, graph: GraphInputs, product: Tensor) -> Tensor:
        if self.bias_linear is None or self.popularity_weight is None:
            return torch.zeros_like(graph.log_orders_P)
        return self.popularity_weight * graph.log_orders_P + self.bias_linear(product)[:, 0]

    def _normalised(self, factors: Tensor, learned: Tensor, side: int) -> Tensor:
        parts = [factors, learned]
        if self.log_slack is not None:
            slack = torch.zeros(len(learned), 2, device=learned.device)
            parts.append(slack.index_add(1, torch.tensor([side], device=slack.device), self._slack(len(learned), side)))
        return functional.normalize(torch.cat(parts, dim=1), dim=1)

    def _slack(self, rows: int, side: int) -> Tensor:
        assert self.log_slack is not None
        return self.log_slack[side].exp().expand(rows, 1)


def _tower(width: int, settings: ModelSettings) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, settings.hidden_dim),
        nn.ELU(),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.hidden_dim, settings.learned_dim),
    )
