"""Models beside SQL and the graph: smoothers, linear models, collaborative filtering. One file a model.

What belongs here: their names and how each is made from the settings. What does not: SQL and our own graph model, which
need a warehouse or a validation window (program/offline.py).

Models are imported when they are made: torch and `implicit` take seconds, and most runs need neither here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from gnn_core.config import Settings
from gnn_core.errors import ConfigError
from gnn_core.recommender import Recommender
from gnn_core.scoring.peers.popularity import Popularity
from gnn_core.scoring.peers.smoother import Smoother

Bool = NDArray[np.bool_]


def make_peer(name: str, settings: Settings, eligible_P: Bool) -> Recommender:
    """An unfitted peer with the settings of sections `baseline`, `peers`, `graph` and `training.seed`.

    `eligible_P` keeps products that can never be recommended out of the neighbour lists, whose length is limited.

    Raises:
        ConfigError: the name is none of PEERS.
    """
    if name not in _MAKERS:
        raise ConfigError(f"evaluation.peers names {name!r}; it must be one of {', '.join(PEERS)}")
    return _MAKERS[name](settings, eligible_P)


def _popularity(settings: Settings, eligible_P: Bool) -> Recommender:
    return Popularity()


def _smoother(settings: Settings, eligible_P: Bool | None = None) -> Recommender:
    return Smoother(settings.baseline.smoother_segment_strength, settings.baseline.smoother_make_strength)


def _ridge(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.ridge import Ridge

    return Ridge(settings.peers.ridge_penalty)


def _conditional_logit(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.conditional_logit import ConditionalLogit

    return ConditionalLogit(settings.peers, settings.training.seed)


def _own_history(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.own_history import OwnHistory

    tau_days = settings.peers.own_history_decay_tau_days
    return OwnHistory(tau_days, settings.graph.event_weights, silent=_smoother(settings))


def _item_knn(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.item_knn import ItemKnn

    return ItemKnn(settings.peers, settings.graph.event_weights, eligible_P, silent=_smoother(settings))


def _ease(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.ease import Ease

    return Ease(settings.peers, settings.graph.event_weights, silent=_smoother(settings))


def _gf_cf(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.gf_cf import GfCf

    return GfCf(settings.peers, settings.graph.event_weights, settings.training.seed, silent=_smoother(settings))


def _implicit_als(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.implicit_als import ImplicitAls

    weights, seed = settings.graph.event_weights, settings.training.seed
    return ImplicitAls(settings.peers, weights, seed, silent=_smoother(settings))


def _implicit_bpr(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.implicit_bpr import ImplicitBpr

    return ImplicitBpr(settings.peers, settings.training.seed, silent=_smoother(settings))


def _light_gcn(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.light_gcn import LightGcn

    return LightGcn(settings.peers, settings.training.seed, silent=_smoother(settings))


def _hetero_gat(settings: Settings, eligible_P: Bool) -> Recommender:
    from gnn_core.scoring.peers.hetero_gat import hetero_gat

    return hetero_gat(settings)


_MAKERS: Mapping[str, Callable[[Settings, Bool], Recommender]] = {
    "popularity": _popularity,
    "smoother": _smoother,
    "ridge": _ridge,
    "conditional_logit": _conditional_logit,
    "own_history": _own_history,
    "item_knn": _item_knn,
    "ease": _ease,
    "gf_cf": _gf_cf,
    "implicit_als": _implicit_als,
    "implicit_bpr": _implicit_bpr,
    "light_gcn": _light_gcn,
    "hetero_gat": _hetero_gat,
}
PEERS = tuple(_MAKERS)
"""Every name that `make_peer` and setting `evaluation.peers` know."""
