"""What was chosen in validation windows teaches weights of what is judged, where the fit may not count it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gnn_core.config import SplitSettings
from gnn_core.errors import LeakageError
from gnn_core.graph.split import build_timeline
from gnn_core.model.recommender import GraphRecommender
from gnn_core.program.offline import Frozen, fitted_peer, refit, validation_choices
from gnn_core.recommender import Taught
from gnn_core.scoring.peers.popularity import Popularity
from tests.core.builders import make_snapshot
from tests.core.model.worlds import small_settings

AS_OF = pd.Timestamp("2026-06-01")
CAR = "2018|ford|mustang"
DAYS = ("2026-03-01", "2026-04-01", "2026-04-02", "2026-04-20", "2026-05-01", "2026-05-02", "2026-05-31")
STORE = make_snapshot(
    owns={f"u{n}": [CAR] for n in range(len(DAYS))},
    fits={"P0": [CAR], "P1": [CAR]},
    events=[(f"u{n}", "P0", "order", day) for n, day in enumerate(DAYS)],
)


def split(**changes: Any) -> SplitSettings:
    """Validation in April, from its second on; the test window from 2 May on; nothing is fitted again between."""
    return dataclasses.replace(small_settings().split, refit_at_test_cutoff=False, **changes)


def taught(settings: SplitSettings, role: str = "test") -> list[str] | None:
    timeline = build_timeline(AS_OF, settings)
    (cut,) = getattr(timeline, role)
    choices = validation_choices(STORE, timeline, cut, settings)
    return None if choices is None else [str(STORE.user_ids[u]) for u in choices.user_E]


def test_they_lie_between_the_fit_and_the_end_of_validation():
    assert taught(split()) == ["u2", "u3", "u4"]  # 2 April, included, to 2 May, excluded


def test_there_are_none_for_a_fit_that_counts_them_for_validation_itself_and_where_they_are_not_wanted():
    assert taught(dataclasses.replace(split(), refit_at_test_cutoff=True)) is None
    assert taught(split(), "validation") is None
    assert taught(split(validation_teaches=False)) is None


def test_validation_that_reaches_into_the_test_window_would_be_judged_again():
    overlapping = split(
        explicit_validation_cutoffs=(dt.date(2026, 4, 10),), explicit_test_cutoffs=(dt.date(2026, 5, 2),)
    )
    with pytest.raises(LeakageError, match=r"validation ends at 2026-05-10.* after cut test_2026-05-02 begins"):
        taught(overlapping)
    # As on a behaviour log whose cuts lie closer than their windows are long.
    assert taught(dataclasses.replace(overlapping, refit_at_test_cutoff=True)) is None


class Pupil(Popularity):
    """Popularity that remembers what it was taught, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.lessons: list[Any] = []

    def teach(self, choices: Any) -> None:
        self.lessons.append(choices)

    def fit(self, train: Any) -> None:
        self.lessons.append("fit")
        super().fit(train)


def test_a_peer_that_learns_from_choices_is_taught_before_it_is_fitted(monkeypatch):
    settings, eligible_P = small_settings(), np.ones(2, dtype=bool)
    monkeypatch.setattr("gnn_core.program.offline.make_peer", lambda name, settings, eligible_P: Pupil())
    assert fitted_peer("pupil", STORE, settings, eligible_P, STORE.events).lessons == [STORE.events, "fit"]
    assert fitted_peer("pupil", STORE, settings, eligible_P).lessons == ["fit"]


def test_the_graph_model_is_taught_and_a_smoother_has_nothing_to_learn(monkeypatch):
    settings = small_settings()
    seen: list[Any] = []
    monkeypatch.setattr(GraphRecommender, "teach", lambda self, choices: seen.append(choices))
    monkeypatch.setattr(GraphRecommender, "fit", lambda self, train: seen.append("fit"))
    refit(STORE, Frozen(0), settings, STORE.events)
    refit(STORE, Frozen(0), settings)
    assert seen == [STORE.events, "fit", "fit"]
    assert not isinstance(fitted_peer("smoother", STORE, settings, np.ones(2, dtype=bool), STORE.events), Taught)
