"""Small worlds whose answer is known, and settings small enough to train in a second."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from gnn_core.config import Settings, load_settings
from gnn_core.scoring.audience import build_audience
from gnn_core.snapshot import Snapshot
from tests.core.builders import make_snapshot

CONFIG = Path(__file__).parents[3] / "configs" / "gnn_config.yaml"
SMALL_MODEL = {
    "embedding_dim": 16,
    "hidden_dim": 16,
    "heads": 2,
    "part_type_dim": 4,
    "output_dim": 24,
    "vehicle_factors": 6,
    "item_factors": 6,
    "spectral_factors": 6,
    "fitment_factors": 6,
    "dropout": 0.1,
}
SMALL_TRAINING = {
    "device": "cpu",
    "max_steps": 12,
    "batch_size": 256,
    "validate_every": 4,
    "checkpoint_every": 3,
    "fitting_negatives": 8,
    "global_negatives": 32,
    "folds": 3,
}
AS_PROPOSED = {
    "encoder": "gat",
    "user_id_embedding": True,
    "product_id_embedding": True,
    "popularity_bias": False,
    "scale_init": 15.0,
    "slack": False,
    "vehicle_factors": 0,
    "item_factors": 0,
    "spectral_factors": 0,
    "fitment_factors": 0,
    "sparse_terms": False,
}
N_MAKES, N_PRODUCTS, HALF = 6, 24, 12


def small_settings(model: dict[str, Any] | None = None, training: dict[str, Any] | None = None) -> Settings:
    """The project's configuration with a small network, and the given changes."""
    return load_settings(
        CONFIG, [{"model": SMALL_MODEL | (model or {}), "training": SMALL_TRAINING | (training or {})}]
    )


def fitting_apart(world: Snapshot) -> Snapshot:
    """The same, with five products that do not fit half of the vehicles: fitment tells products from each other."""
    fits_VP = world.fits_VP.toarray()
    fits_VP[: len(fits_VP) // 2, -5:] = False
    return dataclasses.replace(world, fits_VP=sparse.csr_matrix(fits_VP))


def segment(platform: int, make: int) -> str:
    """The segment of a platform and make."""
    return f"make{platform}{make}|model"


def withheld(platform: int, make: int) -> list[int]:
    """Products of the platform's own half that owners of this segment are never seen to order."""
    return [platform * HALF + (make * 2 + i) % HALF for i in range(3)]


def two_platforms(
    *,
    cold: int = 2,
    seed: int = 0,
    extra_owns: dict[str, list[str]] | None = None,
    extra_products: tuple[str, ...] = (),
    extra_events: tuple[tuple, ...] = (),
) -> Snapshot:
    """Two platforms with six makes of one model each; everything fits everything.

    Owners of platform 0 order products 0–11, owners of platform 1 order 12–23, all equally often; but owners of a
    segment are never seen with its `withheld` products. Only other makes' owners of the same platform show that these
    suit it: make and popularity say nothing.
    """
    rng = np.random.default_rng(seed)
    owns, events, vehicles = dict(extra_owns or {}), list(extra_events), {}
    for platform in (0, 1):
        for make in range(N_MAKES):
            vehicle = vehicles[platform, make] = f"2020|{segment(platform, make)}"
            liked = [platform * HALF + i for i in range(HALF)]
            liked = [p for p in liked if p not in withheld(platform, make)]
            for owner in range(12):
                user = f"u{platform}{make}{owner:02d}"
                owns[user] = [vehicle]
                for i, p in enumerate(rng.choice(liked, size=3, replace=False)):
                    day = pd.Timestamp("2026-05-02") + pd.Timedelta(days=int(rng.integers(0, 8)) + 8 * i)
                    events.append((user, f"P{p:02d}", "order", day))
            for owner in range(cold):
                owns[f"cold{platform}{make}{owner}"] = [vehicle]
    everything = list(vehicles.values())
    types = {f"P{p:02d}": {"part_type": f"Type {p % 4}"} for p in range(N_PRODUCTS)}
    types |= {p: {"part_type": "Type 0"} for p in extra_products}
    return make_snapshot(owns=owns, fits=dict.fromkeys(types, everything), products=types, events=events)


def cold_scores(recommender: Any, train: Snapshot) -> dict[tuple[int, int], np.ndarray]:
    """(platform, make) → scores of all products for a user who only owns that vehicle."""
    users = np.array([list(train.user_ids).index(f"cold{p}{m}0") for p in (0, 1) for m in range(N_MAKES)])
    audience, row = build_audience(train, users)
    recommender.prepare(audience)
    scores = recommender.score_block(0, len(audience))
    keys = [(p, m) for p in (0, 1) for m in range(N_MAKES)]
    return {key: scores[r] for key, r in zip(keys, row, strict=True)}


def share_of_right_pairs(recommender: Any, train: Snapshot) -> float:
    """How often a withheld product of the right platform outscores a product of the wrong one; chance is ½."""
    right = []
    for (platform, make), scores in cold_scores(recommender, train).items():
        wrong = scores[(1 - platform) * HALF : (2 - platform) * HALF]
        right += [scores[p] > w for p in withheld(platform, make) for w in wrong]
    return float(np.mean(right))
