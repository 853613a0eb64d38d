"""The proposal's HeteroGAT as it was written: the graph model of this project with the proposal's switches.

What belongs here: those switches. What does not: the network (gnn_core/model) and its training (gnn_core/training).
"""

from __future__ import annotations

from dataclasses import replace

from gnn_core.config import Settings
from gnn_core.model.recommender import GraphRecommender


def hetero_gat(settings: Settings) -> GraphRecommender:
    """The graph model, named `hetero_gat`, as the proposal describes it; `settings` as in `proposed`."""
    model = GraphRecommender(proposed(settings), max_steps=settings.peers.hetero_gat_steps)
    model.name = "hetero_gat"
    return model


def proposed(settings: Settings) -> Settings:
    """The settings with the proposal's model: ids for users and products, attention, cosine under BCE, no bias.

    Sizes, negatives and decay are the configured ones, which are the proposal's already. What the network has and the
    proposal does not: the residual path (without which a user of one edge loses itself), a scale that is learned from
    where `peers.hetero_gat_scale` starts it, folds of held-out users, averaged weights.
    """
    return replace(
        settings,
        model=replace(
            settings.model,
            encoder="gat",
            user_id_embedding=True,
            product_id_embedding=True,
            popularity_bias=False,
            slack=False,
            vehicle_factors=0,
            item_factors=0,
            spectral_factors=0,
            fitment_factors=0,
            sparse_terms=False,
            scale_init=settings.peers.hetero_gat_scale,
        ),
        training=replace(
            settings.training,
            loss="bce",
            learning_rate=settings.peers.hetero_gat_learning_rate,
            loss_tau_days=settings.graph.decay_tau_days,
        ),
    )
