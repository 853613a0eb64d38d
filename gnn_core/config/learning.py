"""Settings of what is learned: graph, model, training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, one_of, shares, within
from gnn_core.errors import ConfigError


@dataclass(frozen=True)
class GraphSettings:
    """How tables become a heterogeneous graph."""

    SECTION: ClassVar[str] = "graph"

    event_weights: dict[str, float]
    decay_tau_days: float
    """Weight × exp(−age / tau). The half-life is tau · ln 2: 20.8 days for 30."""
    co_purchase_min_count: int
    co_purchase_max_neighbours: int
    text_features: int
    """Dimensions of the product names in the product tower; above 0, names also join item space and histories."""
    text_closeness: float
    """What a name that is the same counts for beside the closeness over users, where a history asks for products."""

    def __post_init__(self) -> None:
        at_least(self, "text_features", 0)
        at_least(self, "text_closeness", 0)
        at_least(self, "decay_tau_days", 1e-9)
        at_least(self, "co_purchase_min_count", 1)
        at_least(self, "co_purchase_max_neighbours", 1)


@dataclass(frozen=True)
class ModelSettings:
    """The network: encoder, towers, score."""

    SECTION: ClassVar[str] = "model"

    encoder: str
    """`gat` as proposed; `sage` mean aggregation; `light` parameter-free propagation."""
    embedding_dim: int
    hidden_dim: int
    heads: int
    layers: int
    part_type_dim: int
    output_dim: int
    dropout: float
    product_id_embedding: bool
    user_id_embedding: bool
    """The proposal has one; with 98 % cold users it is an untrained row for nearly everyone."""
    popularity_bias: bool
    """Score = s · cos(u, p) + w · log(orders + ½) + learned."""
    scale_init: float
    """Initial s. 1 beside a popularity bias; 10–20 without, or BCE cannot fall below 0.313. With `slack`, s per unit of
    the learned parts' own inner product, whatever the size of the slack."""
    slack: bool
    """One coordinate of each side that the other lacks, so that a vector of little evidence stays near cosine 0."""
    vehicle_factors: int
    """Dimensions of the factorised lift of products by vehicle, beside the towers' output; 0 = off."""
    item_factors: int
    """Dimensions of the factorised item graph, beside the towers' output; 0 = off."""
    fitment_factors: int
    """Dimensions of what products fit, beside the towers' output, where a history uses them; 0 = off."""
    spectral_factors: int
    """Dimensions of the smooth part of who takes what, beside the towers' output; 0 = off."""
    spectral_added_degree: float
    """Added to every user's and product's number of partners before the graph is normalised."""
    spectral_in_exponent: float
    """A product in a history is divided by this power of its degree: what everybody takes tells little."""
    spectral_out_exponent: float
    """A product that is asked for is multiplied by this power of its degree: what is taken often is taken again."""
    spectral_in_windows: bool
    """Also where earlier windows teach; false = only where hidden pairs do."""
    sparse_terms: bool
    """Beside the dot product, a user's own events and the item graph's nearest products, term by term."""
    item_attribute_weight: float
    """Weight of part types and fitment beside users in the item space of the paths."""

    def __post_init__(self) -> None:
        one_of(self, "encoder", ("gat", "sage", "light"))
        for name in ("embedding_dim", "hidden_dim", "heads", "layers", "part_type_dim", "output_dim"):
            at_least(self, name, 1)
        for name in ("vehicle_factors", "item_factors", "fitment_factors", "spectral_factors", "item_attribute_weight"):
            at_least(self, name, 0)
        within(self, "dropout", 0, 0.9)
        at_least(self, "spectral_added_degree", 0)
        within(self, "spectral_in_exponent", 0, 1)
        within(self, "spectral_out_exponent", 0, 1)
        at_least(self, "scale_init", 1e-6)
        if self.hidden_dim % self.heads:
            raise ConfigError(f"model.hidden_dim is {self.hidden_dim}; it must be a multiple of heads, {self.heads}")


@dataclass(frozen=True)
class TrainingSettings:
    """How the network is trained."""

    SECTION: ClassVar[str] = "training"

    device: str
    seed: int
    loss: str
    """`softmax` (fitting negatives and all-product negatives) or `bce` (the proposal's, edge-weighted)."""
    learning_rate: float
    embedding_learning_rate: float
    weight_decay: float
    max_steps: int
    """Gradient steps at most; 0 keeps the initialisation."""
    batch_size: int
    micro_batches: int
    """Batches of a step, each over the next fold's graph; their mean gradient is the step's. Several processes share
    them out, so it must be a multiple of the number of processes."""
    processes: int
    """Processes that train together; on GPUs, one each."""
    process_timeout_s: float
    """How long a process waits for the others before they count as lost."""
    validate_every: int
    patience: int
    """Validations without a better Recall@10 before training stops."""
    gradient_clip: float
    weight_averaging: float
    """Memory of the running average of the weights, a step; 0 judges and keeps the last weights themselves."""
    fitting_negatives: int
    global_negatives: int
    fitting_loss_weight: float
    """Share of the softmax over fitting products; the rest is the softmax over all products."""
    negative_mix: dict[str, float]
    """BCE only: shares of in_batch, fitment and global negatives."""
    negatives_per_positive: int
    folds: int
    """Users of one fold are trained as cold while the other folds carry the messages."""
    warm_share: float
    """Probability that a positive of a user with a past is asked for with that past; otherwise as if cold."""
    longest_history: int
    """Latest events of a user that a training example reads."""
    loss_tau_days: float
    """Decay of an example's weight by age. Longer than the graph's: old orders still show what fits a taste."""
    threads: int
    """Torch threads, whatever the machine has: sums split by thread, and the digest must not depend on the machine."""
    checkpoint_every: int
    keep_embeddings_warm: bool
    """Start rows whose entity id the previous week's checkpoint has from there."""

    def __post_init__(self) -> None:
        one_of(self, "device", ("auto", "cpu", "cuda"))
        one_of(self, "loss", ("softmax", "bce"))
        shares(self, "negative_mix")
        within(self, "fitting_loss_weight", 0, 1)
        for name in (
            "batch_size",
            "micro_batches",
            "processes",
            "process_timeout_s",
            "validate_every",
            "patience",
            "checkpoint_every",
            "negatives_per_positive",
        ):
            at_least(self, name, 1)
        at_least(self, "max_steps", 0)
        at_least(self, "folds", 2)
        for name in ("longest_history", "threads"):
            at_least(self, name, 1)
        within(self, "warm_share", 0, 1)
        within(self, "weight_averaging", 0, 0.9999)
        at_least(self, "loss_tau_days", 1e-9)
        at_least(self, "gradient_clip", 1e-9)
        if self.micro_batches % self.processes:
            raise ConfigError(
                f"training.micro_batches is {self.micro_batches}; it must be a multiple of training.processes, "
                f"{self.processes}, so that each process has as many batches as the others"
            )
