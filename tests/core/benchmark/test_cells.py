"""Cells of a run: resumed after a kill, made anew when something changed, failing without stopping the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnn_core.benchmark import store_run
from gnn_core.benchmark.cells import Bench, Cell, Made
from gnn_core.benchmark.results import Results
from gnn_core.benchmark.shuffle import exchanged
from gnn_core.benchmark.spec import COLD, LAST, SPLIT, WARM, kind_of, specs
from gnn_core.benchmark.store_run import StoreRun
from gnn_core.benchmark.variants import changed, expanded
from gnn_core.config import load_settings
from gnn_core.errors import ConfigError, DataError
from gnn_core.snapshot import micros
from gnn_core.stores.public import load_store
from tests.core.benchmark.files import CONFIG, write_cold_store, write_sequences, write_split

pytestmark = pytest.mark.usefixtures("modules_read_once")
MODELS = ("sql_v5.18", "popularity", "smoother", "implicit_als")
QUICK = {
    "training": {"max_steps": 2, "validate_every": 1},
    "evaluation": {"smoother_multiples": [0.01, 1.0]},
    "peers": {"als_factors": 4},
    "model": {
        "embedding_dim": 8,
        "hidden_dim": 8,
        "output_dim": 8,
        "vehicle_factors": 2,
        "item_factors": 2,
        "spectral_factors": 2,
        "fitment_factors": 2,
    },
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny pair of files."""
    folder = tmp_path_factory.mktemp("data")
    write_cold_store(folder, "tiny")
    return folder


def bench_on(source: Path, folder: Path, overlay: Mapping[str, Any] = QUICK) -> Bench:
    """A benchmark whose results are in `folder`."""
    return Bench(source, CONFIG, Results(folder), (overlay,))


def run(bench: Bench, models: tuple[str, ...] = MODELS, watcher: Any = None) -> Made:
    """One seed of the tiny store at 50 % cold."""
    return bench.run(bench.plan(specs(["tiny"], bench.source, colds=[50], seeds=1), models), watcher)


class Watched:
    """Remembers which cells began, and kills the run at the `at`-th."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.begun = at, []

    def started(self, cell: Cell, remaining_s: float) -> None:
        """One more."""
        if len(self.begun) == self.at:
            raise KeyboardInterrupt
        self.begun.append(cell.model)

    def finished(self, cell: Cell, facts: Mapping[str, Any]) -> None:
        """Costs and choices are there."""
        assert facts["seconds"] >= 0
        assert facts["peak_mb"] >= facts["start_mb"] > 0
        assert facts["device"]

    def failed(self, cell: Cell, reason: str) -> None:
        """Seen by the test through `failures`."""


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Made]:
    """A run that nobody stopped, the graph included."""
    bench = bench_on(source, tmp_path_factory.mktemp("whole"))
    return bench, run(bench, (*MODELS, "graph"), Watched())


def test_every_model_is_judged_on_the_same_users(whole: tuple[Bench, Made]) -> None:
    made = whole[1]
    assert {model for _, model in made.results} == {*MODELS, "graph"}
    results = list(made.results.values())
    assert len(results[0].user_U) > 5
    for result in results:
        assert np.array_equal(result.user_U, results[0].user_U)
        assert (result.rank_N >= 1).all()
        assert result.facts["windows"][0]["users_evaluable"] == len(result.user_U)


def test_the_collapse_report_counts_lists_everywhere_and_vectors_where_there_are_any(whole: tuple[Bench, Made]) -> None:
    reports = {model: result.facts["collapse"] for (_, model), result in whole[1].results.items()}
    assert reports["popularity"]["distinct_lists"] <= reports["popularity"]["rows"]
    assert "distinct_vectors" not in reports["popularity"]
    assert 1 <= reports["graph"]["distinct_vectors"] <= reports["graph"]["rows"]
    assert reports["graph"]["vehicles_with_owners"] == 2
    assert 0 < reports["popularity"]["popularity_percentile"] <= 1


def test_a_killed_run_goes_on_and_ends_with_the_same_results(
    source: Path, tmp_path: Path, whole: tuple[Bench, Made]
) -> None:
    bench = bench_on(source, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(bench, watcher=Watched(at=2))
    rest = Watched()
    made = run(bench, watcher=rest)
    assert rest.begun == list(MODELS[2:])
    for key, result in made.results.items():
        assert np.array_equal(result.rank_N, whole[1].results[key].rank_N), key
        assert result.facts["chosen"] == whole[1].results[key].facts["chosen"]
    again = Watched()
    run(bench, watcher=again)
    assert again.begun == []


def test_changed_settings_data_or_code_are_made_anew(source: Path, tmp_path: Path, whole: tuple[Bench, Made]) -> None:
    known = whole[0]
    asked = specs(["tiny"], source, colds=[50], seeds=1)

    def missing(bench: Bench) -> set[str]:
        return {cell.model for cell in bench.plan(asked, (*MODELS, "graph")).to_make}

    assert missing(bench_on(source, known.results.folder)) == set()
    shorter = QUICK | {"training": {"max_steps": 1, "validate_every": 1}}
    assert missing(bench_on(source, known.results.folder, shorter)) == {"graph", "implicit_als"}
    code = dict.fromkeys(known.code, "other")
    assert missing(Bench(source, CONFIG, known.results, (QUICK,), code)) == {*MODELS, "graph"}
    assert missing(Bench(source, CONFIG, known.results, (QUICK,), known.code | {"implicit_als": "x"})) == {
        "implicit_als"
    }
    write_cold_store(tmp_path, "tiny", seed=6)
    assert missing(bench_on(tmp_path, known.results.folder)) == {*MODELS, "graph"}


def test_a_model_that_refuses_is_named_and_the_others_go_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = store_run.fitted_peer

    def refusing(name: str, *rest: Any) -> Any:
        if name == "implicit_als":
            raise DataError("too large")
        return make(name, *rest)

    monkeypatch.setattr(store_run, "fitted_peer", refusing)
    made = run(bench_on(source, tmp_path), ("implicit_als", "popularity"))
    assert {model for _, model in made.results} == {"popularity"}
    assert list(made.failures.values()) == ["DataError: too large"]


def test_choices_do_not_see_the_test_window(source: Path) -> None:
    (spec,) = specs(["tiny"], source, colds=[50], seeds=1)
    one, other = (StoreRun(spec, source, CONFIG, [QUICK]) for _ in range(2))
    other.snapshot = other.snapshot.before(other.timeline.validation[0].end)
    assert one.choose_smoother() == other.choose_smoother()
    assert one._graph(one.settings)[1:] == other._graph(other.settings)[1:]
    with pytest.raises(DataError, match="before the window does"):
        other.judge("popularity")


def test_cold_seeds_draw_other_splits(source: Path) -> None:
    users = []
    for spec in specs(["tiny"], source, colds=[50], seeds=2):
        (window,) = StoreRun(spec, source, CONFIG, [QUICK]).test
        users.append(set(window.panel.users["user_id"]))
    assert users[0] != users[1]


def test_shuffling_moves_whole_sequences_within_each_part_of_time(source: Path) -> None:
    store = load_store("tiny", source, cold_share=0.5)
    settings = load_settings(CONFIG, [store.profile])
    cutoffs = [*settings.split.explicit_validation_cutoffs, *settings.split.explicit_test_cutoffs]
    moved = exchanged(store, [np.datetime64(c, "us") for c in cutoffs], seed=1)
    edges = [micros(str(c)) for c in cutoffs]

    def sequences(events: Any) -> list[dict[str, tuple]]:
        frame = events.to_pandas().sort_values(["event_ts", "product_id"])
        part = np.searchsorted(edges, frame["event_ts"].dt.tz_localize(None).astype("datetime64[us]").astype("int64"))
        return [{u: tuple(rows["product_id"]) for u, rows in frame[part == p].groupby("user_id")} for p in range(3)]

    for before, after in zip(sequences(store.tables["events"]), sequences(moved.tables["events"]), strict=True):
        assert set(before) == set(after)
        assert sorted(before.values()) == sorted(after.values())
        assert before != after


def test_names_tell_the_protocol(tmp_path: Path) -> None:
    write_cold_store(tmp_path, "pair")
    write_sequences(tmp_path, "alone", {1: [1, 2, 3]})
    write_split(tmp_path, "split", {1: [1]}, {1: [2]})
    assert kind_of("pair", tmp_path) == COLD
    assert {kind_of(f"{name}_last_item", tmp_path) for name in ("pair", "alone")} == {LAST}
    assert kind_of("alone_last_item_refit", tmp_path) == LAST
    assert kind_of("split", tmp_path) == SPLIT
    with pytest.raises(DataError, match="no data set 'alone'; it offers: pair"):
        kind_of("alone", tmp_path)
    assert WARM not in {kind_of(name, tmp_path) for name in ("pair", "split")}
    with pytest.raises(ConfigError, match="cold shares are"):
        specs(["pair"], tmp_path, colds=[0], seeds=1)


def test_model_names_are_checked_and_sql_means_both_versions() -> None:
    assert expanded(["sql", "graph", "sql"]) == ("sql_v5.17", "sql_v5.18", "graph")
    with pytest.raises(ConfigError, match="model 'gaph' is unknown"):
        expanded(["gaph"])
    with pytest.raises(ConfigError, match=r"unknown key training\.steps"):
        changed(load_settings(CONFIG), {"training": {"steps": 1}})
