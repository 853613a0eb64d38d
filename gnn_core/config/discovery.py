"""Settings of reasons, of what the embeddings say beside the lists, and of the look ahead before a publish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, identifier, within
from gnn_core.errors import ConfigError


@dataclass(frozen=True)
class DiscoverySettings:
    """Explanations, similarity, the universal ranking, and the impact of a changed catalogue."""

    SECTION: ClassVar[str] = "discovery"

    reason_min_people: int
    """Other people behind a reason that speaks of people; below it the reason is not given."""
    neighbours: int
    """Similar products kept of each kind (substitute, complement) and product."""
    min_covered: float
    """Share of the products, and of the groups of users, that should have a neighbour."""
    similar_users: int
    """Nearest audience rows kept of each row."""
    universal_spread: float
    """How much the orders of similar products count beside a product's own; 0 is popularity itself."""
    universal_spreads: tuple[float, ...]
    """Measured on validation, so that a person can move `universal_spread`."""
    universal_weights: tuple[float, ...]
    """Measured on validation: weights of the universal ranking beside the graph's score."""
    universal_weight: float
    """Of the universal ranking in the graph's score; 0 = it is no part of it."""
    similarity_table: str
    universal_table: str
    max_lost_share: float
    """Share of the served users who may lose a slot because a fact changed before a warning is raised."""

    def __post_init__(self) -> None:
        for name in ("reason_min_people", "neighbours", "similar_users"):
            at_least(self, name, 1)
        at_least(self, "universal_weight", 0)
        at_least(self, "universal_spread", 0)
        within(self, "max_lost_share", 0, 1)
        within(self, "min_covered", 0, 1)
        for name in ("similarity_table", "universal_table"):
            identifier(self, name)
        for name in ("universal_spreads", "universal_weights"):
            values = getattr(self, name)
            if not values or min(values) < 0 or 0.0 not in values:
                raise ConfigError(f"discovery.{name} is {values}; it must hold 0 and values above it")
