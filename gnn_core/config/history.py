"""Settings of what a user's own history says: the item graph, and how its terms are weighed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, within
from gnn_core.config.paths import PRODUCT_FEATURES
from gnn_core.errors import ConfigError

TERMS = ("near", "near_recent", "follows", "viewed", "carted", "ordered", "recently")
"""Of a history, product by product; model/history.py computes them in this order."""
MEASURES = ("recall", "dcg")
"""Of a ranking; model/by_rank.py computes them."""
DENSE = (*PRODUCT_FEATURES, "lift", "items", "spectral", "fitment")
"""Parts of the dot product: product features, the lift of the vehicles, the factorised item graph, its smooth part, and
what products fit."""


@dataclass(frozen=True)
class HistorySettings:
    """The item graph, and the conditional logit that weighs a history; its penalties are those of the paths."""

    SECTION: ClassVar[str] = "history"

    neighbours: int
    """Of a product in the item graph, at most, of each kind of edge."""
    regressors: int
    """Nearest products that a product is regressed on, which weighs them; 0 = their closeness is their weight."""
    regression_penalty: float
    """Of the squares of a regression's coefficients, in users of a product."""
    closeness_shrinkage: float
    """Added to the product of two norms: a pair of rare products that one user shares is little evidence."""
    longest_step: int
    """A product is followed by those of the next so many events of the user, the m-th of them with weight 1/m."""
    windows: int
    """Earlier windows that teach, the latest first."""
    choosers: int
    """Of all windows together, at most."""
    near_candidates: int
    """Drawn of a chooser's candidates that any term speaks of; each stands for as many as were not drawn."""
    other_candidates: int
    """Drawn of the others."""
    prior: dict[str, float]
    """Weights without evidence, with sparse terms beside the dot product; what is not named starts at 0."""
    prior_dense: dict[str, float]
    """The same without sparse terms."""
    hidden_share: float
    """Of each user's pairs, where no earlier window can teach and hidden pairs have to."""
    rank_multiples: tuple[float, ...]
    """Of the fitted weights, group by group, among which the best ranking of choices is looked for."""
    rank_reach: float
    """Of a fitted weight, what all rounds together may multiply it by at most."""
    rank_rounds: int
    """Over all groups, at most."""
    rank_measures: tuple[str, ...]
    """What a ranking is worth, each a search of its own: `recall` among the first, `dcg` over all places."""
    rank_length: int
    """Places that count for recall."""
    rank_cells: int
    """Choosers × products that are ranked at most."""
    rank_choosers: int
    """With fewer, the best of a few dozen settings is chance, and the fit stays."""

    def __post_init__(self) -> None:
        for name in ("neighbours", "longest_step", "windows", "choosers", "near_candidates", "other_candidates"):
            at_least(self, name, 1)
        for name in ("rank_rounds", "rank_length", "rank_cells", "rank_choosers"):
            at_least(self, name, 1)
        at_least(self, "regressors", 0)
        at_least(self, "rank_reach", 1)
        for name in ("closeness_shrinkage", "regression_penalty"):
            at_least(self, name, 1e-9)
        within(self, "hidden_share", 0.01, 0.9)
        for name, known in (("prior", (*DENSE, *TERMS)), ("prior_dense", DENSE)):
            if unknown := sorted(set(getattr(self, name)) - set(known)):
                raise ConfigError(f"history.{name} names {', '.join(unknown)}; its terms are {', '.join(known)}")
        if not self.rank_measures or (unknown := sorted(set(self.rank_measures) - set(MEASURES))):
            raise ConfigError(
                f"history.rank_measures is {list(self.rank_measures)}; it must list some of {', '.join(MEASURES)}"
            )
        if not self.rank_multiples or min(self.rank_multiples) < 0:
            raise ConfigError(f"history.rank_multiples is {self.rank_multiples}; it must list numbers from 0 on")
