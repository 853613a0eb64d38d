"""A store with a known answer, and recommenders whose scores are written down."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gnn_core.config import Settings, load_settings
from gnn_core.graph.split import Cut
from gnn_core.recommender import Audience
from gnn_core.snapshot import Snapshot
from tests.core.builders import make_snapshot

CONFIG = Path(__file__).parents[3] / "configs" / "gnn_config.yaml"
DAY = np.timedelta64(1, "D")
CUT = Cut(
    "test_2026-05-01", "test", np.datetime64("2026-05-01"), np.datetime64("2026-05-01"), np.datetime64("2026-05-31")
)
EARLIER = Cut(
    "validation_2026-04-01", "validation", np.datetime64("2026-04-01"), np.datetime64("2026-04-01"), CUT.start
)
NEW, OLD = "2018|ford|mustang", "1967|ford|mustang"
NEW_PARTS = [f"N{i:02d}" for i in range(12)]
OLD_PARTS = [f"O{i:02d}" for i in range(4)]
OWNS = {"ann": [NEW], "bob": [NEW], "cat": [NEW], "dan": [OLD], "eve": [OLD], "fay": [NEW, OLD]}
FITS = {p: [NEW] for p in NEW_PARTS} | {p: [OLD] for p in OLD_PARTS}
EVENTS = [
    ("cat", "N05", "view", "2026-03-01"),  # warm
    ("dan", "O03", "order", "2026-02-01"),  # hot; excluded by the rules for a year
    ("ann", "N00", "view", "2026-05-02"),
    ("ann", "N00", "order", "2026-05-03"),  # the same positive once more
    ("ann", "N03", "view", "2026-05-04"),
    ("bob", "N11", "cart", "2026-05-30"),
    ("bob", "O00", "view", "2026-05-30"),  # does not fit Bob's car: unreachable
    ("cat", "N01", "view", "2026-05-10"),
    ("dan", "O03", "view", "2026-05-10"),
    ("eve", "N00", "view", "2026-05-10"),  # all Eve does is unreachable
    ("fay", "O01", "view", "2026-05-31"),  # the window is over
]
PARTS = {p: {"part_type": f"Type {p}"} for p in FITS}  # every product a type of its own, so that no rule bites


def settings(**changes: dict[str, Any]) -> Settings:
    """The real configuration with values of some sections changed: settings(evaluation={"seed": 1})."""
    base = load_settings(CONFIG)
    return dataclasses.replace(base, **{k: dataclasses.replace(getattr(base, k), **v) for k, v in changes.items()})


def snapshot(**changes: Any) -> Snapshot:
    """The store, with parts of it replaced."""
    return make_snapshot(**({"owns": OWNS, "fits": FITS, "events": EVENTS, "products": PARTS} | changes))


def eligible(store: Snapshot) -> np.ndarray:
    """Everything may be recommended."""
    return np.ones(len(store.product_ids), dtype=bool)


class Scripted:
    """Scores every audience row alike: `order` lists products from best to worst, the others tie below."""

    def __init__(self, name: str, store: Snapshot, order: list[str]) -> None:
        """Scores fall from len(order) to 1; 0 for products that are not named."""
        self.name = name
        self.scores_P = np.zeros(len(store.product_ids), dtype=np.float32)
        place = {p: i for i, p in enumerate(store.product_ids)}
        for rank, product in enumerate(order):
            self.scores_P[place[product]] = len(order) - rank
        self.rows: int | None = None
        self.prepared = 0

    def fit(self, train: Snapshot) -> None:
        """Nothing to learn."""

    def prepare(self, audience: Audience) -> None:
        """Remember how many rows will be asked for."""
        self.rows, self.prepared = len(audience), self.prepared + 1

    def score_block(self, start: int, stop: int) -> np.ndarray:
        """The script, row by row."""
        assert self.rows is not None
        assert stop <= self.rows
        return np.repeat(self.scores_P[None], stop - start, axis=0)
