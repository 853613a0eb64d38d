"""The protocols on the real files: published and measured figures of popularity come out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gnn_core.benchmark.full_ranking import figures, rank_all
from gnn_core.benchmark.published import load_published
from gnn_core.scoring.peers import Popularity
from tests.core.benchmark.files import CONFIG

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def folder() -> Path:
    """The folder of real data sets: GNN_REAL_DATA, or shared/data beside the repository."""
    found = Path(os.environ.get("GNN_REAL_DATA", CONFIG.parents[2] / "shared" / "data"))
    if not found.is_dir():
        pytest.skip(f"the folder of real data sets is missing: {found}; set GNN_REAL_DATA to it")
    return found


@pytest.mark.parametrize(
    ("name", "strict", "published"),
    [("beauty", (0.0114, 0.0054), (0.0152, 0.0068)), ("sports", (0.0091, 0.0052), (0.0094, 0.0053))],
)
def test_last_item_popularity(folder: Path, name: str, strict: tuple, published: tuple) -> None:
    """The published rows count the held-out items into popularity; by the protocol's own rule there is less."""
    protocol = load_published(f"{name}_last_item", folder, CONFIG)
    popularity = Popularity()
    popularity.fit(protocol.test.train)
    found = figures(protocol.test, rank_all(protocol.test, popularity).rank_N, k=10)
    assert (round(found["hit_rate_10"].mean(), 4), round(found["ndcg_10"].mean(), 4)) == strict
    leaking = Leaking(protocol.test)
    found = figures(protocol.test, rank_all(protocol.test, leaking).rank_N, k=10)
    assert (round(found["hit_rate_10"].mean(), 4), round(found["ndcg_10"].mean(), 4)) == published


class Leaking(Popularity):
    """Popularity that counts the validation and the last items too."""

    def __init__(self, task) -> None:  # type: ignore[no-untyped-def]
        self.fit(task.known)
        for product in task.product_N:
            self._orders_P[product] += 1


def test_gowalla_popularity(folder: Path) -> None:
    protocol = load_published("gowalla", folder, CONFIG)
    popularity = Popularity()
    popularity.fit(protocol.test.train)
    found = figures(protocol.test, rank_all(protocol.test, popularity).rank_N, k=20)
    assert (round(found["recall_20"].mean(), 4), round(found["ndcg_20"].mean(), 4)) == (0.0416, 0.0317)
