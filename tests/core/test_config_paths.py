"""Settings of the paths: names follow the values, and what cannot be meant is refused by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnn_core.config import load_settings
from gnn_core.errors import ConfigError

CONFIG = Path("configs/gnn_config.yaml")


def paths(**values):
    return load_settings(CONFIG, [{"paths": values}]).paths


def test_features_are_named_by_what_they_are_smoothed_with():
    got = paths(lift_strengths=[7], ridge_penalties=[20, 50], prior={"ridge_50": 1.0})
    assert got.wide_features == ("ridge_20", "ridge_50", "taste", "co_taken")
    assert got.fit_features == ("lift_7", "lift_7_neighbours", "part_type", "fits", "loyalty")


def test_the_prior_of_a_feature_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"paths\.prior names ridge_1000.*features are ridge_20"):
        paths(ridge_penalties=[20], prior={"ridge_1000": 1.0})


@pytest.mark.parametrize("key", ["lift_strengths", "ridge_penalties", "logit_penalties"])
@pytest.mark.parametrize("value", [[], [0, 1], [3, 3], [9, 3]])
def test_lists_must_rise_from_above_nothing(key, value):
    with pytest.raises(ConfigError, match=rf"paths\.{key}"):
        paths(**{key: value, "prior": {}})


@pytest.mark.parametrize(
    ("key", "value"),
    [("neighbours", 0), ("make_scale", 1.5), ("ratio_floor", 0), ("candidates", 0), ("logit_penalties", [3])],
)
def test_values_out_of_range_are_refused(key, value):
    with pytest.raises(ConfigError, match=rf"paths\.{key}"):
        paths(**{key: value})
