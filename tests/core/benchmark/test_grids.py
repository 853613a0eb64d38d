"""What opponents choose from on validation: several values of each setting, around the one that was found good."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnn_core.benchmark.variants import HISTORY_GRIDS, VEHICLE_GRIDS, changed
from gnn_core.config import load_settings

SETTINGS = load_settings(Path(__file__).parents[3] / "configs" / "gnn_config.yaml")
GRIDS = VEHICLE_GRIDS | HISTORY_GRIDS


@pytest.mark.parametrize("model", GRIDS)
def test_a_grid_holds_several_values_around_the_configured_one(model: str) -> None:
    tried: dict[str, set[float]] = {}
    for point in GRIDS[model]:
        changed(SETTINGS, point)  # every value is allowed
        for key, value in point["peers"].items():
            tried.setdefault(key, set()).add(value)
    for key, values in tried.items():
        assert len(values) > 1, key
        assert min(values) <= getattr(SETTINGS.peers, key) <= max(values), key
