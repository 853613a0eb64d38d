"""Every recommender that must pass the contract suite, and what it claims to learn from.

To add one: a maker that takes contract tables (frames by name) and the moment of training, and returns it unfitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gnn_core.config import Settings, load_settings
from gnn_core.recommender import Recommender
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.scoring.peers import PEERS, make_peer

Tables = Mapping[str, pd.DataFrame]
CONFIG = Path(__file__).parents[2] / "configs" / "gnn_config.yaml"


@dataclass(frozen=True)
class Entry:
    """One recommender under contract."""

    make: Callable[[Tables, np.datetime64, Settings], Recommender]
    learns_vehicles: bool
    """Owners of one make/model order alike: a new owner gets what they order."""
    learns_items: bool
    """Who ordered some products of a group gets the rest of the group."""


def tiny_settings() -> Settings:
    """The project's settings, sized for worlds of twenty products."""
    base = load_settings(CONFIG)
    return replace(
        base,
        peers=replace(base.peers, als_factors=6, item_knn_shrinkage=1.0),
        # Pseudo-orders are spread over the catalogue: the real ones would drown forty orders a car.
        baseline=replace(base.baseline, smoother_segment_strength=2.0, smoother_make_strength=4.0),
    )


def _peer(name: str) -> Callable[[Tables, np.datetime64, Settings], Recommender]:
    def make(tables: Tables, as_of: np.datetime64, settings: Settings) -> Recommender:
        products = tables["products"].sort_values("product_id", kind="stable")
        return make_peer(name, settings, eligible_mask(products, settings.eligibility))

    return make


REGISTRY: dict[str, Entry] = {
    name: Entry(_peer(name), learns_vehicles=name != "popularity", learns_items=name in ("item_knn", "implicit_als"))
    for name in PEERS
}
