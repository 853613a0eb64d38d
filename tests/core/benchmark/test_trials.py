"""Trials on validation windows: what they may know, what they find, that they resume, and what is chosen from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from gnn_core.benchmark.ablations import ABLATIONS, ablation_trials
from gnn_core.benchmark.against_defaults import DEFAULTS, Compared, compared, result_of, setting_of
from gnn_core.benchmark.diversity import (
    STRENGTHS,
    curve,
    diversity_trial,
    judge_lists,
    list_difference,
    part_types,
)
from gnn_core.benchmark.results import Results
from gnn_core.benchmark.search import GRID, choose_setting, overlay_text, search_trials
from gnn_core.benchmark.spec import Spec, specs
from gnn_core.benchmark.store_run import StoreRun
from gnn_core.benchmark.trials import (
    Trial,
    Trials,
    ValidationStore,
    judge_ranking,
    open_store,
    trial_specs,
)
from gnn_core.benchmark.variants import VARIANTS, changed
from gnn_core.config import load_settings
from gnn_core.errors import ConfigError, DataError
from gnn_core.evaluation.bootstrap import Lift
from gnn_core.snapshot import micros
from tests.core.benchmark.files import CONFIG, write_cold_store

pytestmark = pytest.mark.slow

QUICK: Mapping[str, Any] = {
    "training": {"max_steps": 2, "validate_every": 1},
    "model": {"embedding_dim": 8, "hidden_dim": 8, "output_dim": 8, "vehicle_factors": 2, "item_factors": 2},
}
SEARCHED = ("decay_7", "untrained")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny pair of files."""
    folder = tmp_path_factory.mktemp("data")
    write_cold_store(folder, "tiny")
    return folder


def spec_of(source: Path) -> Spec:
    """Seed 0 of the tiny store at 50 % cold."""
    (spec,) = trial_specs(["tiny"], source, colds=[50], seeds=1)
    return spec


def trials_in(source: Path, folder: Path, *overlays: Mapping[str, Any]) -> Trials:
    """Trials whose results are in `folder`."""
    return Trials(source, CONFIG, Results(folder), "code", (QUICK, *overlays))


class Watched:
    """Remembers which trials began, and kills the run at the `at`-th."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.begun = at, []

    def began(self, trial: Trial, seconds: float, remaining_s: float) -> None:
        """One more."""
        assert 0 < seconds <= remaining_s
        if len(self.begun) == self.at:
            raise KeyboardInterrupt
        self.begun.append(trial.names[0])

    def ended(self, trial: Trial, facts: Mapping[str, Any]) -> None:
        """Costs are there."""
        assert facts["seconds"] >= 0


def test_a_store_without_its_test_window_is_all_that_a_trial_gets(source: Path) -> None:
    spec = spec_of(source)
    whole = StoreRun(spec, source, CONFIG, [QUICK])
    end = max(cut.end for cut in whole.timeline.validation)
    assert (whole.snapshot.events.ts_E >= micros(end)).any()
    opened = open_store(spec, source, CONFIG, [QUICK])
    assert len(opened.snapshot.events)
    assert not (opened.snapshot.events.ts_E >= micros(end)).any()
    assert opened.snapshot.as_of == end
    with pytest.raises(DataError, match="choices are made on validation windows"):
        ValidationStore(whole.settings, whole.snapshot, whole.timeline.cuts)
    with pytest.raises(DataError, match="and need one"):
        ValidationStore(whole.settings, whole.snapshot, ())


def test_a_trial_places_positives_as_the_benchmark_does(source: Path) -> None:
    spec = spec_of(source)
    run = StoreRun(spec, source, CONFIG, [QUICK])
    _, recall, chosen = run._graph(run.settings)
    (result,) = judge_ranking(
        open_store(spec, source, CONFIG, [QUICK]), Trial(spec, (result_of(DEFAULTS),)), run.settings
    ).values()
    assert result.facts["validation_recall"] == pytest.approx(recall)
    assert result.facts["best_steps"] == chosen["best_steps"]
    assert len(result.user_U) == len(run.validation[0].panel.users)


def searched(source: Path, folder: Path, watcher: Any = None) -> list[Compared]:
    """Two points of the grid with two seeds."""
    trials = trials_in(source, folder)
    plan = search_trials(spec_of(source), trials.settings, seeds=2, names=SEARCHED)
    return compared(trials.run(plan, judge_ranking, watcher), trials.settings.evaluation)


@pytest.fixture(scope="module")
def rows(source: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Compared]:
    """A search that nobody stopped."""
    return searched(source, tmp_path_factory.mktemp("whole"))


def figures(rows: list[Compared]) -> list[tuple]:
    """What must not depend on how a run went: everything but the costs."""
    return [(r.name, r.recall, r.by_seed, r.lift, r.p_holm, r.best_steps) for r in rows]


def test_a_killed_search_goes_on_and_ends_with_the_same_figures(
    source: Path, tmp_path: Path, rows: list[Compared]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        searched(source, tmp_path, Watched(at=3))
    rest = Watched()
    again = searched(source, tmp_path, rest)
    assert rest.begun == [result_of("decay_7", 1), result_of("untrained"), result_of("untrained", 1)]
    assert figures(again) == figures(rows)


def test_what_happened_in_the_test_window_changes_nothing_in_the_choice(
    source: Path, tmp_path: Path, rows: list[Compared]
) -> None:
    """Users who are judged at the end order other things, and the search finds the same figures and the same choice."""
    run = StoreRun(spec_of(source), source, CONFIG, [QUICK])
    (cut,) = run.timeline.test
    held = run.snapshot.events.between(cut.start, cut.end)
    moved = {int(run.snapshot.user_ids[u].lstrip("U0") or 0) for u in np.unique(held.user_E)}
    assert moved
    rewrite_later_items(source, tmp_path, moved)
    other = StoreRun(spec_of(tmp_path), tmp_path, CONFIG, [QUICK])
    then = other.snapshot.events.between(cut.start, cut.end)
    assert set(zip(held.user_E, held.product_E, strict=True)) != set(zip(then.user_E, then.product_E, strict=True))
    found = searched(tmp_path, tmp_path / "results")
    assert figures(found) == figures(rows)
    one, two = (choose_setting(each, 0.95) for each in (rows, found))
    assert (one.chosen, one.changes, one.reason) == (two.chosen, two.changes, two.reason)


def rewrite_later_items(source: Path, target: Path, users: set[int]) -> None:
    """The same files, in which all but the first item of some users is another product of the same vehicle."""
    frame = pd.read_parquet(source / "tiny_sequences.parquet")
    later = frame["user_id"].isin(users) & (frame["pos"] > 0)
    half = np.where(frame["item_id"] < 60, 0, 60)
    frame.loc[later, "item_id"] = (half + (frame["item_id"] - half + 7) % 60)[later]
    # The first item must not come again, since repeated items are dropped.
    first = frame[frame["pos"] == 0].set_index("user_id")["item_id"]
    clash = later & (frame["item_id"] == frame["user_id"].map(first))
    frame.loc[clash, "item_id"] = (half + (frame["item_id"] - half + 1) % 60)[clash]
    frame.to_parquet(target / "tiny_sequences.parquet", index=False)
    attributes = pd.read_parquet(source / "tiny_item_attributes.parquet")
    attributes.to_parquet(target / "tiny_item_attributes.parquet", index=False)


def row(name: str, estimate: float | None, p: float | None, recall: float = 0.2) -> Compared:
    """A row with the figures that a choice reads."""
    lift = None
    if estimate is not None:
        lift = Lift(estimate, estimate - 0.1, estimate + 0.1, recall, 0.2, 9, 9, 9, p or 1.0, 0.95, 100, 0)
    return Compared("cell", name, GRID.get(name, {}), recall, (recall,), lift, p, (0,), 1.0)


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([], DEFAULTS),
        ([row("decay_7", 0.3, 0.2, 0.26)], DEFAULTS),
        ([row("decay_7", -0.3, 0.001, 0.14)], DEFAULTS),
        ([row("decay_7", 0.3, 0.001, 0.26)], "decay_7"),
        ([row("decay_7", 0.3, 0.001, 0.26), row("untrained", 0.4, 0.001, 0.28)], "untrained"),
        ([row("decay_7", 0.3, 0.001, 0.26), row("untrained", 0.4, 0.2, 0.28)], "decay_7"),
    ],
)
def test_the_defaults_stay_unless_something_is_better_beyond_chance(others: list[Compared], chosen: str) -> None:
    choice = choose_setting([row(DEFAULTS, None, None), *others], 0.95)
    assert choice.chosen == chosen
    assert choice.changes == GRID.get(chosen, {})


def test_the_overlay_is_a_config_that_loads_and_says_why() -> None:
    settings = load_settings(CONFIG)
    choice = choose_setting([row(DEFAULTS, None, None), row("lifts_daring", 0.3, 0.001, 0.26)], 0.95)
    text = overlay_text(choice, "cell", settings)
    assert "lifts_daring" in text
    assert "p = 0.001" in text
    assert load_settings(CONFIG, [yaml.safe_load(text)]).paths.lift_strengths == (3.0, 30.0)
    none = overlay_text(choose_setting([row(DEFAULTS, None, None)], 0.95), "cell", settings)
    assert load_settings(CONFIG, [yaml.safe_load(none) or {}]) == settings


@pytest.mark.parametrize("name", [*GRID, *ABLATIONS])
def test_every_point_and_every_switch_is_a_valid_setting_that_changes_something(name: str) -> None:
    settings = load_settings(CONFIG)
    changes = GRID[name] if name in GRID else VARIANTS[name].changes
    assert changed(settings, changes) != settings


def test_seeds_of_a_search_are_seeds_of_training_on_one_split(source: Path) -> None:
    settings = load_settings(CONFIG, [QUICK])
    plan = search_trials(spec_of(source), settings, seeds=2, names=["untrained"])
    assert {trial.spec for trial in plan} == {spec_of(source)}
    assert [t.changes["training"] for t in plan] == [
        {"seed": settings.training.seed},
        {"seed": settings.training.seed + 1},
        {"max_steps": 0, "seed": settings.training.seed},
        {"max_steps": 0, "seed": settings.training.seed + 1},
    ]
    assert [setting_of(t.names[0]) for t in plan] == [DEFAULTS, DEFAULTS, "untrained", "untrained"]


def test_mistakes_are_named(source: Path) -> None:
    settings = load_settings(CONFIG)
    with pytest.raises(ConfigError, match="decay_8; points are decay_7"):
        search_trials(spec_of(source), settings, seeds=1, names=["decay_8"])
    with pytest.raises(ConfigError, match="0 seeds"):
        search_trials(spec_of(source), settings, seeds=0)
    with pytest.raises(ConfigError, match="no switch of the graph model is called ease"):
        ablation_trials([spec_of(source)], ["ease"])
    with pytest.raises(ConfigError, match="gnn bench quality --model graph_untaught"):
        ablation_trials([spec_of(source)], ["graph_untaught"])
    assert not [t for t in ablation_trials([spec_of(source)]) if "untaught" in str(t.names)]
    with pytest.raises(ConfigError, match="no validation window in time"):
        trial_specs(["tiny_last_item"], source, colds=[50], seeds=1)
    with pytest.raises(ConfigError, match="unknown store size 'huge'"):
        trial_specs(["simulated_huge"], source, colds=[50], seeds=1)
    with pytest.raises(ConfigError, match="0 first"):
        diversity_trial(spec_of(source), (0.1, 0.2))
    with pytest.raises(ConfigError, match="between 0 and 1"):
        diversity_trial(spec_of(source), (0.0, 1.2))


def test_lists_of_other_users_are_not_compared(source: Path, tmp_path: Path) -> None:
    trials = trials_in(source, tmp_path)
    plan = search_trials(spec_of(source), trials.settings, seeds=1, names=["untrained"])
    made = trials.run(plan, judge_ranking)
    broken = {
        t: {n: replace(r, user_U=r.user_U[::-1]) if "untrained" in n else r for n, r in results.items()}
        for t, results in made.items()
    }
    with pytest.raises(DataError, match="judged on different users"):
        compared(broken, trials.settings.evaluation)
    with pytest.raises(DataError, match="defaults is not among untrained"):
        compared({t: r for t, r in made.items() if "untrained" in t.names[0]}, trials.settings.evaluation)


def test_difference_and_part_types_of_lists_by_hand() -> None:
    unit = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])
    lists = np.array([[0, 1, 2], [0, 3, -1], [2, -1, -1], [-1, -1, -1]])
    # Pairs .6, 0, .8 of the first; opposite counts as unrelated; one product or none has no pair.
    assert list_difference(lists, unit) == pytest.approx([1 - 1.4 / 3, 1.0, 0.0, 0.0])
    assert part_types(lists, np.array([7, 7, 5, 0])).tolist() == [2, 2, 1, 0]


def test_the_curve_of_diversity_rises_in_difference_and_starts_at_off(source: Path, tmp_path: Path) -> None:
    # Two make/models differ in taste in one way, along which products of one are alike; and have one part type each.
    overlay = {"model": {"vehicle_factors": 0, "item_factors": 8}, "scoring": {"max_per_part_type": 10}}
    trials = trials_in(source, tmp_path, overlay)
    plan = [diversity_trial(spec_of(source), (0.0, 0.3, 1.0))]
    points = curve(trials.run(plan, judge_lists), trials.settings.evaluation)
    assert [p.strength for p in points] == [0.0, 0.3, 1.0]
    difference = [p.means["difference"] for p in points]
    assert difference[0] < difference[1] <= difference[2]
    assert points[0].lifts["recall_4"].estimate == 0
    assert points[0].likeness is not None
    assert points[1].likeness is None
    assert trials.missing(plan) == []
    assert STRENGTHS[0] == 0


def test_a_simulated_store_is_opened_without_its_test_window(tmp_path: Path) -> None:
    (spec,) = trial_specs(["simulated_tiny"], tmp_path, colds=[], seeds=1)
    opened = open_store(spec, tmp_path, CONFIG, [])
    assert [cut.role for cut in opened.cuts] == ["validation"]
    assert opened.snapshot.events.ts_E.max() < micros(opened.cuts[0].end)
    assert len(opened.windows[0].panel.users) > 20


def test_specs_of_windows_are_those_of_the_benchmark(source: Path) -> None:
    assert trial_specs(["tiny"], source, colds=[50, 90], seeds=2) == specs(["tiny"], source, colds=[50, 90], seeds=2)
