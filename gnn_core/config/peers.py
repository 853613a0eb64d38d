"""Settings of the models that stand beside SQL and the graph: one prefix a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, within


@dataclass(frozen=True)
class PeerSettings:
    """Hyperparameters of the models that stand beside SQL and the graph in the report."""

    SECTION: ClassVar[str] = "peers"

    ridge_penalty: float
    """In buyers: a segment with so many buyers of its own is trusted half."""
    logit_choices: int
    """Most orders that are fitted on; more are drawn from at random."""
    logit_alternatives: int
    """Fitting products drawn beside each ordered one."""
    logit_penalty: float
    """In choices: how many it takes to move a standardised coefficient away from plain popularity."""
    logit_segment_strength: float
    logit_make_strength: float
    """Pseudo-orders of the parent level in the log lifts."""
    own_history_decay_tau_days: float
    """The row's own events weigh exp(−age / tau)."""
    item_knn_neighbours: int
    """Most similar products kept for each product."""
    item_knn_shrinkage: float
    """Added to the product of two norms: similarities of rarely seen products shrink."""
    item_knn_decay_tau_days: float
    """The row's own events weigh exp(−age / tau) in the query."""
    item_knn_own_history: bool
    """Whether a product is a neighbour of itself, so that what a user looked at may come back."""
    ease_penalty: float
    ease_max_products: int
    """Products with the most users that take part; memory and time grow with the square and the cube of this."""
    ease_decay_tau_days: float
    """The row's own events weigh exp(−age / tau) in the query."""
    ease_own_history: float
    """Weight of the query itself beside what the model makes of it; 0 = off."""
    gf_cf_rank: int
    """Singular vectors that the ideal low-pass lets through."""
    gf_cf_low_pass: float
    """Weight of the ideal low-pass beside the linear filter."""
    gf_cf_decay_tau_days: float
    """The row's own events weigh exp(−age / tau) in the signal."""
    gf_cf_own_history: float
    """Weight of the signal itself beside what the filter makes of it; 0 = off."""
    als_factors: int
    als_iterations: int
    als_regularization: float
    als_alpha: float
    """Confidence of an interaction is alpha × its event weight."""
    bpr_factors: int
    bpr_iterations: int
    bpr_learning_rate: float
    bpr_regularization: float
    light_gcn_dim: int
    light_gcn_layers: int
    light_gcn_steps: int
    light_gcn_batch_size: int
    """Interactions a step, each with one product that the user did not touch."""
    light_gcn_learning_rate: float
    light_gcn_regularization: float
    hetero_gat_steps: int
    hetero_gat_learning_rate: float
    hetero_gat_scale: float
    """Where the scale of the cosine starts; the proposal has none, which is 1."""

    def __post_init__(self) -> None:
        whole = ("logit_choices", "logit_alternatives", "item_knn_neighbours", "ease_max_products", "gf_cf_rank")
        rounds = ("als_factors", "als_iterations", "bpr_factors", "bpr_iterations", "light_gcn_dim", "light_gcn_layers")
        for name in (*whole, *rounds, "light_gcn_steps", "light_gcn_batch_size", "hetero_gat_steps"):
            at_least(self, name, 1)
        free = ("item_knn_shrinkage", "bpr_regularization", "light_gcn_regularization")
        for name in (*free, "ease_own_history", "gf_cf_own_history"):
            at_least(self, name, 0)
        positive = (
            *("ridge_penalty", "logit_penalty", "logit_segment_strength", "logit_make_strength"),
            *("own_history_decay_tau_days", "item_knn_decay_tau_days"),
            *("ease_penalty", "ease_decay_tau_days", "gf_cf_decay_tau_days"),
            *("als_regularization", "als_alpha", "bpr_learning_rate", "light_gcn_learning_rate"),
            *("hetero_gat_learning_rate", "hetero_gat_scale"),
        )
        for name in positive:
            at_least(self, name, 1e-9)
        within(self, "gf_cf_low_pass", 0, 10)
