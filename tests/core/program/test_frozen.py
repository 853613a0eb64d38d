"""What validation windows say of later fits: gradient steps, and the start of a history's weights."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from gnn_core.graph.split import Cut
from gnn_core.program.offline import Frozen, fit_validation, frozen_start, refit
from tests.core.model.fits import WORLD
from tests.core.model.worlds import small_settings

ONE, OTHER = (
    Cut(name, "validation", *(np.datetime64(day) for day in days))
    for name, days in (
        ("validation-1", ("2026-01-01", "2026-01-01", "2026-02-01")),
        ("validation-2", ("2026-02-01", "2026-02-01", "2026-03-01")),
    )
)


@dataclass
class Model:
    """Stands in for a fitted graph model."""

    start: str
    best_step: int
    worth: dict[str, float] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("windows", "start"),
    [
        ([("joint", {})], "joint"),
        ([("smooth", {"joint": 0.1, "smooth": 0.2})], "smooth"),
        ([("joint", {"joint": 0.3, "smooth": 0.2}), ("smooth", {"smooth": 0.5, "joint": 0.3})], "smooth"),
        ([("joint", {"joint": 0.4, "smooth": 0.2}), ("smooth", {"smooth": 0.3, "joint": 0.2})], "joint"),
        ([("joint", {}), ("smooth", {"smooth": 0.3, "joint": 0.2})], "smooth"),  # the first had no choice
        ([("apart", {"apart": 0.9, "joint": 0.1}), ("joint", {"smooth": 0.3, "joint": 0.3})], "joint"),  # both know it
        ([("joint", {"joint": 0.2, "smooth": 0.2})], "joint"),
    ],
)
def test_all_windows_together_choose_one_start(windows, start):
    assert frozen_start(windows) == start


def test_a_window_that_preferred_another_start_is_fitted_again():
    asked = []

    def fit(cut, start):
        asked.append((cut.name, start))
        if start is not None:
            return Model(start, 15)
        if cut is ONE:
            return Model("joint", 5, {"joint": 0.21, "smooth": 0.20})
        return Model("smooth", 10, {"smooth": 0.4, "joint": 0.3})

    fitted, frozen = fit_validation([ONE, OTHER], fit)
    assert asked == [("validation-1", None), ("validation-2", None), ("validation-1", "smooth")]
    assert {name: model.start for name, model in fitted.items()} == {"validation-1": "smooth", "validation-2": "smooth"}
    assert frozen == Frozen(10, "smooth")  # of 15 and 10 the lower
    assert Frozen.from_json(frozen.as_json() | {"best": {}}) == frozen


def test_a_later_fit_takes_over_start_and_steps():
    model = refit(WORLD, Frozen(2, "smooth_dcg"), small_settings())
    assert (model.start, model.best_step) == ("smooth_dcg", 2)
