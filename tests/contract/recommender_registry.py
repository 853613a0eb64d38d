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
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.model.recommender import GraphRecommender
from gnn_core.recommender import Recommender
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.scoring.peers import make_peer
from gnn_core.scoring.sql_baseline import SqlRecommender
from tests.core.baseline.stores import load_week
from tests.core.model.worlds import SMALL_MODEL, SMALL_TRAINING
from tests.core.staging.raw_store import WEEK

Tables = Mapping[str, pd.DataFrame]
CONFIG = Path(__file__).parents[2] / "configs" / "gnn_config.yaml"
SQL_VERSIONS = ("v5.17", "v5.18")


@dataclass(frozen=True)
class Entry:
    """One recommender under contract."""

    make: Callable[[Tables, np.datetime64, Settings], Recommender]
    solves: frozenset[str]
    """Worlds of recommender_worlds.py whose signal it claims to read. Popularity's is everyone's."""
    bar: float = 0.99
    """Share of right pairs that it must reach there."""
    refuses_future: bool = False
    """Whether a snapshot that still holds events at or after its moment is an error, rather than read up to it."""


def tiny_settings() -> Settings:
    """The project's settings, sized for worlds of twenty products and some forty buyers.

    Penalties count buyers, orders or events: those of real stores would drown the worlds.
    """
    base = load_settings(CONFIG, [{"model": SMALL_MODEL, "training": SMALL_TRAINING}])
    return replace(
        base,
        peers=replace(
            base.peers,
            ridge_penalty=2.0,
            logit_penalty=1.0,
            logit_segment_strength=2.0,
            logit_make_strength=4.0,
            item_knn_shrinkage=1.0,
            ease_penalty=2.0,
            gf_cf_rank=4,
            als_factors=6,
            bpr_factors=8,
            bpr_learning_rate=0.1,
            light_gcn_dim=8,
            light_gcn_layers=2,
            light_gcn_steps=50,
            light_gcn_batch_size=256,
            light_gcn_learning_rate=0.05,
            hetero_gat_steps=8,
        ),
        # Pseudo-orders are spread over the catalogue: the real ones would drown forty orders a car.
        baseline=replace(base.baseline, smoother_segment_strength=2.0, smoother_make_strength=4.0),
    )


def _peer(name: str) -> Callable[[Tables, np.datetime64, Settings], Recommender]:
    def make(tables: Tables, as_of: np.datetime64, settings: Settings) -> Recommender:
        products = tables["products"].sort_values("product_id", kind="stable")
        return make_peer(name, settings, eligible_mask(products, settings.eligibility))

    return make


def _graph(tables: Tables, as_of: np.datetime64, settings: Settings) -> Recommender:
    return GraphRecommender(settings)


def _sql(version: str) -> Callable[[Tables, np.datetime64, Settings], Recommender]:
    def make(tables: Tables, as_of: np.datetime64, settings: Settings) -> Recommender:
        warehouse = load_week(DuckDbWarehouse(":memory:", settings.warehouse), tables)
        return SqlRecommender(warehouse, WEEK, version, settings)

    return make


_SOLVES = {
    "popularity": (),
    "smoother": ("vehicle",),
    "ridge": ("vehicle",),
    "conditional_logit": ("vehicle", "part_type"),
    "own_history": ("vehicle",),
    "item_knn": ("vehicle", "item"),
    "ease": ("vehicle", "item"),
    "gf_cf": ("vehicle", "item"),
    "implicit_als": ("vehicle", "item"),
    "implicit_bpr": ("vehicle", "item"),
    "light_gcn": ("vehicle", "item"),
}
REGISTRY: dict[str, Entry] = {name: Entry(_peer(name), frozenset(solves)) for name, solves in _SOLVES.items()}
REGISTRY |= {f"sql_{version}": Entry(_sql(version), frozenset({"vehicle"})) for version in SQL_VERSIONS}
REGISTRY["graph"] = Entry(_graph, frozenset({"vehicle", "item", "part_type"}), refuses_future=True)
# Binary cross-entropy on a bare cosine learns slowly; in the steps that a test can wait for it gets this far.
REGISTRY["hetero_gat"] = Entry(_peer("hetero_gat"), frozenset({"vehicle"}), bar=0.8, refuses_future=True)
