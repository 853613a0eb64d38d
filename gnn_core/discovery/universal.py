"""A ranking of products for everyone: popularity, spread over similar products; and what it is worth.

What belongs here: its score, its evaluation against popularity, and its part in the graph's score. What does not:
similarity itself (products.py).

score = log(n_p + spread · mean of n over the neighbours, by similarity + ½), n in orders (a view counts a fifth, a cart
three fifths). A product that nobody has bought yet stands where products like it stand. It is additive to a policy
(`discovery.universal_weight`), never a replacement of it.

Shape letters: P products, N neighbour pairs, U user-windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.config import GraphSettings, Settings
from gnn_core.discovery.products import similar_products
from gnn_core.discovery.space import similarity_space
from gnn_core.errors import ShapeError
from gnn_core.evaluation.bootstrap import Lift, paired_lift
from gnn_core.evaluation.evaluate import places, recall_of
from gnn_core.evaluation.panel import Panel, build_panel
from gnn_core.graph.interactions import kind_weights
from gnn_core.graph.split import Cut
from gnn_core.recommender import Audience, Recommender
from gnn_core.snapshot import ORDER, Snapshot, index_of

if TYPE_CHECKING:
    from gnn_core.model.recommender import GraphRecommender

UNIVERSAL = pa.schema(
    [
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("product_id", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("popularity_rank", pa.int64(), nullable=False),
        pa.field("is_universal", pa.bool_(), nullable=False),
    ]
)
"""Eligible products for everyone, best first, beside their place by orders alone."""


class UniversalRanking:
    """A Recommender: one score a product, the same for every row."""

    name = "universal"

    def __init__(self, score_P: NDArray[np.float64]) -> None:
        self._score_P = score_P.astype(np.float32)

    def fit(self, train: Snapshot) -> None:
        """Nothing to fit: the scores were made from a fitted model."""

    def prepare(self, audience: Audience) -> None:
        """Nothing to prepare: rows do not differ."""

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) scores."""
        return np.tile(self._score_P, (stop - start, 1))


class WithUniversal:
    """A Recommender: another one's score plus `weight` × the universal ranking's."""

    def __init__(self, model: Recommender, score_P: NDArray[np.float64], weight: float) -> None:
        self.name, self._model, self._added_P = model.name, model, (weight * score_P).astype(np.float32)

    def fit(self, train: Snapshot) -> None:
        """Fit the model; the ranking stays."""
        self._model.fit(train)

    def prepare(self, audience: Audience) -> None:
        """Prepare the model."""
        self._model.prepare(audience)

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) sums."""
        return self._model.score_block(start, stop) + self._added_P

    def __getattr__(self, name: str) -> Any:
        if name == "path_shares":  # the ranking is popularity: it adds to no path
            return getattr(self._model, name)
        raise AttributeError(name)


def with_universal(
    graph: GraphRecommender, train: Snapshot, eligible_P: NDArray[np.bool_], settings: Settings
) -> Recommender:
    """The graph model with the universal ranking in its score; the model itself at weight 0."""
    if settings.discovery.universal_weight == 0:
        return graph
    space_PD = similarity_space(graph.product_vectors(), graph.vector_blocks())
    similar = similar_products(space_PD, train, eligible_P, settings)
    score_P = universal_scores(train, similar, settings.discovery.universal_spread, settings.graph)
    return WithUniversal(graph, score_P, settings.discovery.universal_weight)


def universal_scores(train: Snapshot, similar: pa.Table, spread: float, settings: GraphSettings) -> NDArray[np.float64]:
    """(P,) scores from what `train` knows and its similar products.

    Raises:
        ShapeError: `similar` names a product that the snapshot does not have.
    """
    kinds = kind_weights(settings) / kind_weights(settings)[ORDER]
    events = train.events.between(None, train.as_of)
    n_P = len(train.product_ids)
    taken_P = np.bincount(events.product_E, weights=kinds[events.kind_E], minlength=n_P)
    known = set(train.product_ids.tolist())
    frame = similar.select(["product_id", "similar_product_id", "similarity"]).to_pandas()
    if not set(frame["similar_product_id"]) <= known:
        raise ShapeError("similar products were made from another catalogue than the snapshot's")
    product_N = index_of(frame["product_id"], train.product_ids, "similar.product_id")
    near_N = index_of(frame["similar_product_id"], train.product_ids, "similar.similar_product_id")
    weight_N = frame["similarity"].to_numpy()
    total_P = np.bincount(product_N, weights=weight_N, minlength=n_P)
    around_P = np.bincount(product_N, weights=weight_N * taken_P[near_N], minlength=n_P)
    mean_P = np.divide(around_P, total_P, out=np.zeros(n_P), where=total_P > 0)
    return np.log(taken_P + spread * mean_P + 0.5)


def universal_table(
    score_P: NDArray[np.float64], orders_P: NDArray[np.int64], train: Snapshot, eligible_P: NDArray[np.bool_]
) -> pa.Table:
    """Eligible products by score; ties by product id. `orders_P` gives the place by popularity."""
    eligible = np.flatnonzero(eligible_P)
    order = eligible[np.lexsort((eligible, -score_P[eligible]))]
    popular = eligible[np.lexsort((eligible, -orders_P[eligible]))]
    place_P = np.zeros(len(score_P), dtype=np.int64)
    place_P[popular] = np.arange(1, len(popular) + 1)
    return pa.table(
        {
            "rank": pa.array(np.arange(1, len(order) + 1), pa.int64()),
            "product_id": pa.array(train.product_ids[order].tolist(), pa.string()),
            "score": pa.array(score_P[order], pa.float64()),
            "popularity_rank": pa.array(place_P[order], pa.int64()),
            "is_universal": pa.array(train.universal_P[order], pa.bool_()),
        },
        schema=UNIVERSAL,
    )


@dataclass(frozen=True)
class Window:
    """One held-out window: its panel of baskets, and what was fitted before it."""

    panel: Panel
    similar: pa.Table
    baskets: str
    """What a basket is: what a user ordered in the window, or did at all where the window has no order."""


def basket_window(
    snapshot: Snapshot, train: Snapshot, cut: Cut, similar: pa.Table, eligible_P: NDArray[np.bool_], settings: Settings
) -> Window:
    """Users with a held-out basket, and their candidates. `similar` was made from `train`."""
    known = snapshot.before(cut.end)
    later = known.events.between(cut.start, cut.end)
    orders = bool((later.kind_E == ORDER).any()) and "order" in settings.evaluation.positive_events
    judged = replace(settings, evaluation=replace(settings.evaluation, positive_events=("order",)))
    panel = build_panel(known, train, cut, judged if orders else settings, eligible_P)
    return Window(panel, similar, "what a user ordered" if orders else "what a user did")


def against_popularity(
    window: Window, popularity: Recommender, spreads: Sequence[float], settings: Settings
) -> dict[float, Lift]:
    """Lift of Recall@10 of the universal ranking over the popularity ranking by spread, paired by user."""
    panel = window.panel
    base_U = recall_of(panel, places(panel, popularity, settings))
    found = {}
    for spread in spreads:
        score_P = universal_scores(panel.train, window.similar, spread, settings.graph)
        found[spread] = _lift(
            recall_of(panel, places(panel, UniversalRanking(score_P), settings)), base_U, panel, settings
        )
    return found


def added_to(
    window: Window, graph: Recommender, panel: Panel, weights: Sequence[float], settings: Settings
) -> dict[float, Lift]:
    """Lift of Recall@10 of the graph's score plus weight × the universal ranking, over the graph's score alone."""
    score_P = universal_scores(panel.train, window.similar, settings.discovery.universal_spread, settings.graph)
    base_U = recall_of(panel, places(panel, graph, settings))
    return {
        weight: _lift(
            recall_of(panel, places(panel, WithUniversal(graph, score_P, weight), settings)), base_U, panel, settings
        )
        for weight in weights
    }


def _lift(model_U: NDArray[np.float64], base_U: NDArray[np.float64], panel: Panel, settings: Settings) -> Lift:
    evaluation = settings.evaluation
    return paired_lift(
        model_U, base_U, panel.users["user"].to_numpy(),
        draws=evaluation.bootstrap_draws, confidence=evaluation.confidence, seed=evaluation.seed,
    )  # fmt: skip
