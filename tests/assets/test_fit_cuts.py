"""Which fits of a week's model are taught by its validation window: those that may not count it."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gnn_assets import fitting
from gnn_core.graph.split import build_timeline
from tests.core.builders import make_snapshot
from tests.core.model.worlds import small_settings

AS_OF = pd.Timestamp("2026-06-01")
CAR = "2018|ford|mustang"
SNAPSHOT = make_snapshot(
    owns={"before": [CAR], "within": [CAR], "judged": [CAR]},
    fits={"P0": [CAR]},
    events=[
        ("before", "P0", "order", "2026-03-01"),
        ("within", "P0", "order", "2026-04-10"),  # validation is from 2 April to 2 May
        ("judged", "P0", "order", "2026-05-10"),
    ],
)


@pytest.mark.parametrize("refit_at_test_cutoff", [True, False])
def test_what_a_test_model_may_not_count_teaches_it(monkeypatch, refit_at_test_cutoff):
    settings = small_settings()
    split = dataclasses.replace(settings.split, refit_at_test_cutoff=refit_at_test_cutoff)
    settings = dataclasses.replace(settings, split=split)
    fits: list[tuple[str, list[str], list[str] | None]] = []

    def users(events: Any) -> list[str]:
        return sorted(str(SNAPSHOT.user_ids[u]) for u in np.unique(events.user_E))

    def model(name: str, known: Any, choices: Any = None) -> Any:
        fits.append((name, users(known.events), None if choices is None else users(choices)))
        return SimpleNamespace(start="joint", best_step=0, worth={})

    monkeypatch.setattr(fitting.models, "eligible_products", lambda week, snapshot: np.ones(1, dtype=bool))
    monkeypatch.setattr(fitting.models, "last_week", lambda week, name, role: (None, "none"))
    monkeypatch.setattr(fitting.models, "fit_options", lambda week, name, last: {})
    monkeypatch.setattr(
        fitting,
        "train_on_validation",
        lambda snapshot, cut, *_, **__: model("validation", snapshot.before(cut.fitted_before)),
    )
    monkeypatch.setattr(fitting, "refit", lambda train, frozen, settings, choices: model("test", train, choices))
    week: Any = SimpleNamespace(settings=settings, timeline=build_timeline(AS_OF, split))
    fitted, _, _ = fitting._fit_cuts(week, SNAPSHOT)
    assert len(fitted) == 2
    if refit_at_test_cutoff:
        assert fits == [("validation", ["before"], None), ("test", ["before", "within"], None)]
    else:
        assert fits == [("validation", ["before"], None), ("test", ["before"], ["within"])]
