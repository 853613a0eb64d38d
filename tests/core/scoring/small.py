"""What several tests of scoring share: rules for lists of four, and the scores of a model by user."""

from __future__ import annotations

import numpy as np

from gnn_core.config import ScoringSettings
from gnn_core.recommender import Recommender
from gnn_core.scoring.audience import build_audience
from gnn_core.snapshot import Snapshot

SETTINGS = ScoringSettings(
    slots=4,
    min_slots=3,
    max_per_part_type=2,
    purchase_exclusion_days=365,
    universal_candidates=0,
    diversity=0.0,
    diversity_pool=50,
    block_rows=2,
)


def scores_by_user(model: Recommender, train: Snapshot) -> dict[str, np.ndarray]:
    """User → scores of all products, (P,), by a model fitted on `train`."""
    model.fit(train)
    audience, row = build_audience(train, np.arange(len(train.user_ids)))
    model.prepare(audience)
    scores = model.score_block(0, len(audience))
    return {u: scores[r] for u, r in zip(train.user_ids, row, strict=True)}
