"""How long trials are said to take, before and while they run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnn_core.benchmark.against_defaults import DEFAULTS, result_of
from gnn_core.benchmark.results import CellResult, Results
from gnn_core.benchmark.spec import COLD, Spec
from gnn_core.benchmark.trials import Trial, Trials, ValidationStore
from gnn_core.config import Settings, load_settings
from tests.core.benchmark.files import CONFIG

BEAUTY, SPORTS = Spec("beauty", COLD, 90, 0), Spec("sports", COLD, 90, 0)
NOTHING: dict[str, Any] = {
    **{name: np.zeros(0, dtype=str) for name in ("cut_U", "user_U", "tier_U")},
    **{name: np.zeros(0, dtype=np.int64) for name in ("n_positives_U", "n_unreachable_U", "user_N", "rank_N")},
}


def trials_in(folder: Path) -> Trials:
    """Trials on a store that is never read."""
    store = ValidationStore.__new__(ValidationStore)
    store.settings = load_settings(CONFIG)
    return Trials(folder, CONFIG, Results(folder), "code", opened=lambda spec: store, data=lambda spec: "data")


def of(spec: Spec, *settings: str) -> list[Trial]:
    """Trials of settings that change nothing."""
    return [Trial(spec, (result_of(name),)) for name in settings]


def took(trials: Trials, spec: Spec, setting: str, seconds: float) -> None:
    """A trial that was made by other code: it tells how long, and is no result."""
    trials.results.write(spec, result_of(setting), "another key", CellResult(**NOTHING, facts={"seconds": seconds}))


def test_a_setting_takes_as_long_as_it_took_else_as_others_did_on_that_store(tmp_path: Path) -> None:
    trials = trials_in(tmp_path)
    (known, other, elsewhere) = of(BEAUTY, DEFAULTS, "graph_gat") + of(SPORTS, DEFAULTS)
    guessed = trials.seconds(elsewhere)
    assert trials.seconds(known) == guessed > 0
    took(trials, BEAUTY, DEFAULTS, 40.0)
    took(trials, BEAUTY, "graph_sage", 60.0)
    trials.results.write(BEAUTY, "graph", "key", CellResult(**NOTHING, facts={"seconds": 1000.0}))
    assert trials.seconds(known) == 40.0
    assert trials.seconds(other) == pytest.approx(50.0), "a cell of the test windows is another thing"
    assert trials.seconds(elsewhere) == guessed


def test_what_is_left_is_told_by_the_trials_that_ended(tmp_path: Path) -> None:
    trials = trials_in(tmp_path)
    told: list[tuple[str, float, float]] = []

    class Watcher:
        def began(self, trial: Trial, seconds: float, remaining_s: float) -> None:
            told.append((trial.names[0], seconds, remaining_s))

        def ended(self, trial: Trial, facts: Mapping[str, Any]) -> None:
            pass

    def judge(store: ValidationStore, trial: Trial, settings: Settings) -> dict[str, CellResult]:
        return {trial.names[0]: CellResult(**NOTHING, facts={})}

    asked = of(BEAUTY, "one", "two", "three")
    trials.run(asked, judge, Watcher())
    guessed = told[0][1]
    assert told[0][2] == pytest.approx(3 * guessed)
    for left, (_, seconds, remaining) in zip((2, 1), told[1:], strict=True):
        assert seconds < guessed, "the trials that ended took no time"
        assert remaining == pytest.approx(left * seconds)
    assert [name for name, _, _ in told] == [trial.names[0] for trial in asked]
    assert not trials.missing(asked)
