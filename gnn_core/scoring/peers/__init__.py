"""Models beside SQL and the graph: popularity, the smoother (a candidate for promotion), collaborative filtering."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnn_core.config import Settings
from gnn_core.errors import ConfigError
from gnn_core.recommender import Recommender
from gnn_core.scoring.peers.implicit_als import ImplicitAls
from gnn_core.scoring.peers.item_knn import ItemKnn
from gnn_core.scoring.peers.popularity import Popularity
from gnn_core.scoring.peers.smoother import Smoother

PEERS = ("popularity", "smoother", "item_knn", "implicit_als")

__all__ = ["PEERS", "ImplicitAls", "ItemKnn", "Popularity", "Smoother", "make_peer"]


def make_peer(name: str, settings: Settings, eligible_P: NDArray[np.bool_]) -> Recommender:
    """An unfitted peer with the settings of sections `baseline`, `peers`, `graph` and `training.seed`.

    `eligible_P` keeps products that can never be recommended out of the neighbour lists, whose length is limited.

    Raises:
        ConfigError: the name is none of PEERS.
    """
    if name == "popularity":
        return Popularity()
    smoother = Smoother(settings.baseline.smoother_segment_strength, settings.baseline.smoother_make_strength)
    if name == "smoother":
        return smoother
    if name == "item_knn":
        return ItemKnn(settings.peers, settings.graph.event_weights, eligible_P, silent=smoother)
    if name == "implicit_als":
        return ImplicitAls(settings.peers, settings.graph.event_weights, settings.training.seed, silent=smoother)
    raise ConfigError(f"evaluation.peers names {name!r}; it must be one of {', '.join(PEERS)}")
