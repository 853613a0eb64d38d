"""The way to a history's weights that validation chose is the one of every later fit of a benchmark cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnn_core.benchmark import ranking_run, store_run
from gnn_core.benchmark.ranking_run import RankingRun
from gnn_core.benchmark.spec import specs
from gnn_core.benchmark.store_run import StoreRun
from gnn_core.program.offline import Frozen
from gnn_core.scoring.peers.popularity import Popularity
from tests.core.benchmark.files import CONFIG, write_cold_store, write_sequences


class Enough(Exception):
    """What the test wanted to see has been asked for."""


def test_a_window_is_fitted_from_the_start_that_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cold_store(tmp_path, "tiny")
    (spec,) = specs(["tiny"], tmp_path, colds=[50], seeds=1)
    told = []

    def train(*arguments: Any, start: str | None) -> None:
        told.append(start)
        raise Enough

    monkeypatch.setattr(store_run, "train_on_validation", train)
    monkeypatch.setattr(store_run, "fit_validation", lambda cuts, fit: fit(cuts[0], "smooth_dcg"))
    with pytest.raises(Enough):
        StoreRun(spec, tmp_path, CONFIG, ()).judge("graph")
    assert told == ["smooth_dcg"]


def test_what_is_judged_is_taught_by_the_validation_window_and_by_nothing_of_the_test_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cold_store(tmp_path, "tiny")
    (spec,) = specs(["tiny"], tmp_path, colds=[50], seeds=1)
    run = StoreRun(spec, tmp_path, CONFIG, ())
    told: dict[str, list[Any]] = {"graph": [], "logit": []}

    def later(train: Any, frozen: Any, settings: Any, choices: Any) -> None:
        told["graph"].append(choices)
        raise Enough

    def peer(name: str, train: Any, settings: Any, eligible_P: Any, choices: Any) -> Popularity:
        told["logit"].append(choices)
        model = Popularity()
        model.fit(train)
        return model

    monkeypatch.setattr(
        store_run, "fit_validation", lambda cuts, fit: ({c.name: Popularity() for c in cuts}, Frozen(0))
    )
    monkeypatch.setattr(store_run, "places", lambda *arguments: None)
    monkeypatch.setattr(store_run, "recall_of", lambda *arguments: np.zeros(1))
    monkeypatch.setattr(Popularity, "best_step", 0, raising=False)
    monkeypatch.setattr(store_run, "refit", later)
    with pytest.raises(Enough):
        run.judge("graph")
    (window,) = run.timeline.validation
    start, end = (np.datetime64(moment, "us").astype(np.int64) for moment in (window.start, window.end))
    (graph,) = told["graph"]
    assert len(graph) == ((run.snapshot.events.ts_E >= start) & (run.snapshot.events.ts_E < end)).sum() > 0
    assert graph.ts_E.min() >= start
    assert graph.ts_E.max() < end

    monkeypatch.setattr(store_run, "fitted_peer", peer)
    fit, _, _ = run._chosen(store_run.variant_of("conditional_logit"), run.settings)
    assert told["logit"] == [None, None, None]  # its grid is chosen without
    (test,) = run.timeline.test
    fit(test, run.snapshot.before(test.fitted_before))
    assert np.array_equal(told["logit"][-1].ts_E, graph.ts_E)


def test_a_refit_on_the_validation_items_takes_over_steps_and_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sequences(tmp_path, "tiny", {u: [(u * 3 + k * k) % 17 for k in range(5)] for u in range(1, 40)})
    (spec,) = specs(["tiny_last_item_refit"], tmp_path, colds=[], seeds=1)
    told = []

    class Validated(Popularity):
        """Stands in for the graph model: popularity that says how it got there."""

        name, best_step, start = "graph", 15, "smooth_dcg"

        def __init__(self, *arguments: Any, **options: Any) -> None: ...

    def later(train: Any, frozen: Frozen, settings: Any) -> None:
        told.append(frozen)
        raise Enough

    monkeypatch.setattr(ranking_run, "GraphRecommender", Validated)
    monkeypatch.setattr(ranking_run, "refit", later)
    with pytest.raises(Enough):
        RankingRun(spec, tmp_path, CONFIG, ()).judge("graph")
    assert told == [Frozen(15, "smooth_dcg")]
