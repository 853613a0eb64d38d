"""Settings of the graph's paths: what each is smoothed by, and how their weights are learned."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from gnn_core.config.checks import at_least, within
from gnn_core.errors import ConfigError

PRODUCT_FEATURES = (
    "orders",
    "orders_5",
    "recent_orders",
    "type_orders",
    "breadth",
    "near_orders",
    "fit_orders_1",
    "fit_orders_5",
    "type_fit_orders",
)
"""Features of a product alone; model/paths.py computes them in this order."""
COLD_FEATURES = ("owners_per_rival",)
"""The same, weighed for users without a history only: for others it was not tried."""


@dataclass(frozen=True)
class PathSettings:
    """Features along the graph's paths and the conditional logit that weighs them."""

    SECTION: ClassVar[str] = "paths"

    lift_strengths: tuple[float, ...]
    """Orders of its own that a make/model needs to weigh as much as its parent; one feature each."""
    lift_neighbour_strength: float
    """Orders expected of neighbouring make/models to be trusted as much as the make; with the last lift strength."""
    make_strength_ratio: float
    """Prior strength of make → all products, relative to make/model → its parent."""
    neighbours: int
    """Of a make/model in the fitment graph, at most."""
    ridge_penalties: tuple[float, ...]
    """In owners: what so many owners say weighs as much as the prior of no difference; one feature each."""
    make_scale: float
    """Of a make's column beside its make/models' in the ridge: its square is the share of differences within a make."""
    ratio_floor: float
    """Smallest ratio of a vehicle's owners to everyone that a ridge is believed."""
    closeness_strength: float
    """Orders' worth of average closeness in the prior of `co_taken`."""
    surprise_strength: float
    """Orders added to observed and expected in `part_type` and `loyalty`."""
    item_space_rank: int
    """Dimensions of the item space that vehicles' tastes are seen in."""
    left_out: tuple[str, ...]
    """Features that count for nothing."""
    prior: dict[str, float]
    """Weights without evidence; features that are not named start at 0."""
    logit_penalties: tuple[float, ...]
    """Of a weight's squared distance from its prior, in units of log likelihood, from weak to strong."""
    enough_choosers: int
    """From so many on, the second weakest penalty is taken without trying the others."""
    leading_candidates: int
    """Of a chooser, in a second fit among those that lead under the first, with enough choosers; 0 = no second fit."""
    choosers: int
    """Of a fold or window, at most."""
    candidates: int
    """Of a chooser, at most; where more fit, so many are drawn and stand for all."""
    candidate_rows: int
    """Of all choosers before any are drawn: bounds memory where one vehicle fits everything."""

    @property
    def lift_features(self) -> tuple[str, ...]:
        """Names of the shrunk shares: one a strength, and the last one with neighbours."""
        return (*(f"lift_{s:g}" for s in self.lift_strengths), f"lift_{self.lift_strengths[-1]:g}_neighbours")

    @property
    def wide_features(self) -> tuple[str, ...]:
        """Of every make/model and product: what owners of one vehicle say of a product that fits another of theirs."""
        return (*(f"ridge_{p:g}" for p in self.ridge_penalties), "taste", "co_taken")

    @property
    def fit_features(self) -> tuple[str, ...]:
        """Of fitment pairs; 0 where the product does not fit."""
        return (*self.lift_features, "part_type", "fits", "loyalty")

    @property
    def features(self) -> tuple[str, ...]:
        """Everything that has a weight."""
        return (*self.wide_features, *self.fit_features, *PRODUCT_FEATURES, *COLD_FEATURES)

    def __post_init__(self) -> None:
        for name in ("lift_strengths", "ridge_penalties", "logit_penalties"):
            _rising(self, name)
        for name in ("lift_neighbour_strength", "make_strength_ratio", "closeness_strength", "surprise_strength"):
            at_least(self, name, 1e-9)
        for name in ("neighbours", "item_space_rank", "enough_choosers", "choosers", "candidates", "candidate_rows"):
            at_least(self, name, 1)
        at_least(self, "leading_candidates", 0)
        within(self, "make_scale", 0, 1)
        within(self, "ratio_floor", 1e-6, 1)
        if len(self.logit_penalties) < 2:
            raise ConfigError(f"paths.logit_penalties is {self.logit_penalties}; it needs a weak and a strong one")
        for name in ("prior", "left_out"):
            unknown = sorted(set(getattr(self, name)) - set(self.features))
            if unknown:
                known = ", ".join(self.features)
                raise ConfigError(
                    f"paths.{name} names {', '.join(unknown)}, which is no feature; the features are {known}"
                )


def _rising(section: PathSettings, name: str) -> None:
    values = getattr(section, name)
    if not values or values[0] <= 0 or any(b <= a for a, b in pairwise(values)):
        raise ConfigError(f"paths.{name} is {values}; it must be a list of rising numbers above 0")
