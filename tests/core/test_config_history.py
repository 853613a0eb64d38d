"""Settings of histories: what cannot be meant is refused by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnn_core.config import load_settings
from gnn_core.errors import ConfigError


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("neighbours", 0),
        ("windows", 0),
        ("closeness_shrinkage", 0),
        ("hidden_share", 0.95),
        ("rank_multiples", []),
        ("rank_multiples", [1.0, -1.0]),
        ("rank_reach", 0.5),
        ("rank_measures", []),
        ("rank_measures", ["recall", "mrr"]),
        ("prior", {"nearest": 1.0}),
        ("prior_dense", {"near": 1.0}),  # a sparse term, which the dot product does not have
    ],
)
def test_values_that_cannot_be_meant_are_refused(key, value):
    with pytest.raises(ConfigError, match=rf"history\.{key}"):
        load_settings(Path("configs/gnn_config.yaml"), [{"history": {key: value}}])
