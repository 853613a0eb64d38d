"""Settings of what is compared, decided, scored and published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, identifier, one_of, within


@dataclass(frozen=True)
class BaselineSettings:
    """The SQL cascade, v5.17 and v5.18."""

    SECTION: ClassVar[str] = "baseline"

    segment_min_orders: int
    segment_min_product_orders: int
    segment_weight: float
    make_min_orders: int
    make_min_product_orders: int
    make_weight: float
    global_weight: float
    intent_order_weight: float
    intent_cart_weight: float
    intent_view_weight: float
    universal_top_n: int
    """v5.17: how many of the most popular universal products compete."""
    smoother_segment_strength: float
    smoother_make_strength: float
    """Pseudo-counts of the empirical-Bayes smoother: how many orders a parent level is worth."""

    def __post_init__(self) -> None:
        for name in ("intent_order_weight", "intent_cart_weight", "intent_view_weight"):
            # Candidates are cut on the ground that intent only lifts (sql/baseline/shortlist.sql).
            at_least(self, name, 0.0)
        at_least(self, "smoother_segment_strength", 1e-9)
        at_least(self, "smoother_make_strength", 1e-9)


@dataclass(frozen=True)
class EvaluationSettings:
    """What counts as a hit, and how sure we are."""

    SECTION: ClassVar[str] = "evaluation"

    positive_events: tuple[str, ...]
    new_products_only: bool
    """Products that the user had ordered before the cutoff are neither candidates nor positives."""
    require_history: bool
    """Only users with an event before the cutoff are evaluable (warm protocols)."""
    recall_at: tuple[int, ...]
    list_length: int
    bootstrap_draws: int
    confidence: float
    seed: int
    email_attribution_hours: float
    """An event this soon after the user's own click in an e-mail counts as e-mail, not organic."""
    peers: tuple[str, ...]
    """Names of the recommenders that stand beside SQL and the graph in the report."""
    smoother_multiples: tuple[float, ...]
    """The smoother's two strengths are re-chosen on validation from these multiples of the configured ones."""

    def __post_init__(self) -> None:
        if not self.smoother_multiples or min(self.smoother_multiples) <= 0:
            raise_unknown(self, "smoother_multiples", self.smoother_multiples)
        for event in self.positive_events:
            if event not in ("view", "cart", "order"):
                raise_unknown(self, "positive_events", event)
        at_least(self, "bootstrap_draws", 100)
        within(self, "confidence", 0.5, 0.999)
        at_least(self, "list_length", max(self.recall_at))


@dataclass(frozen=True)
class Gate1Settings:
    """Gate 1, offline: relative lift of Recall@10 over the stronger SQL version."""

    SECTION: ClassVar[str] = "gate1"

    threshold: float
    min_baseline_hits: int

    def __post_init__(self) -> None:
        at_least(self, "threshold", 0)


@dataclass(frozen=True)
class HybridSettings:
    """final = α · sql + (1 − α) · gnn on comparably scaled scores."""

    SECTION: ClassVar[str] = "hybrid"

    alphas: tuple[float, ...]
    scale: str

    def __post_init__(self) -> None:
        one_of(self, "scale", ("minmax", "zscore", "rank"))
        if not self.alphas or any(not 0 <= a <= 1 for a in self.alphas):
            raise_unknown(self, "alphas", self.alphas)


@dataclass(frozen=True)
class ScoringSettings:
    """The business rules of a list."""

    SECTION: ClassVar[str] = "scoring"

    slots: int
    min_slots: int
    max_per_part_type: int
    purchase_exclusion_days: int
    universal_candidates: int
    """How many of the most popular universal products join everyone's candidates; 0 = fitment only, as v5.18."""
    diversity: float
    """λ of maximal marginal relevance, for lists of the graph and the hybrid; 0 = off, 1 = score breaks ties only."""
    diversity_pool: int
    """So many best products of a user compete for the list, after the business rules."""
    block_rows: int

    def __post_init__(self) -> None:
        at_least(self, "slots", 1)
        within(self, "min_slots", 1, self.slots)
        at_least(self, "max_per_part_type", 1)
        at_least(self, "purchase_exclusion_days", 0)
        at_least(self, "universal_candidates", 0)
        within(self, "diversity", 0, 1)
        at_least(self, "diversity_pool", self.slots)
        at_least(self, "block_rows", 1)


@dataclass(frozen=True)
class PublishSettings:
    """What may reach the table that the e-mail system reads."""

    SECTION: ClassVar[str] = "publish"

    table: str
    view: str
    staging_prefix: str
    ledger: str
    keep_versions: int
    min_users: int
    """Floor of the user count: 450,000 at full size."""
    min_coverage: float
    """Share of the eligible users that must get recommendations."""
    max_row_change: float
    """Allowed relative change of the row count against the last good publish."""
    max_product_share: float
    """Of a policy's lists that one product may stand in, where more than that do not go to owners of one vehicle."""
    product_share_users: int
    """Lists of a policy from which on that is asked: of a handful, most may hold the same by right."""
    pipeline_version: str

    def __post_init__(self) -> None:
        for name in ("table", "view", "staging_prefix", "ledger"):
            identifier(self, name)
        within(self, "min_coverage", 0, 1)
        at_least(self, "max_row_change", 0)
        within(self, "max_product_share", 0, 1)
        at_least(self, "product_share_users", 1)
        at_least(self, "keep_versions", 1)


@dataclass(frozen=True)
class ServingSettings:
    """Who is served the promoted policy, until a rollout ledger decides."""

    SECTION: ClassVar[str] = "serving"

    hybrid_share: float
    """Share of the users, by a hash of their id, who get the promoted policy; the others get SQL's list."""
    share_salt: str
    """Hashed with the user id. Another salt draws the share anew; the same salt keeps everyone where they are."""
    users_per_shard: int
    """Users worth a step of their own when everyone's lists are made."""
    max_shards: int

    def __post_init__(self) -> None:
        within(self, "hybrid_share", 0, 1)
        at_least(self, "users_per_shard", 1)
        at_least(self, "max_shards", 1)
        if not self.share_salt:
            raise_unknown(self, "share_salt", self.share_salt)


def raise_unknown(section: object, name: str, value: object) -> None:
    """Raise ConfigError for a value that is not understood."""
    from gnn_core.errors import ConfigError

    raise ConfigError(f"{getattr(section, 'SECTION', '')}.{name} holds {value!r}, which is not understood")
