"""The graph model under other settings, judged on validation windows alone: opened, fitted, kept, resumed.

What belongs here: a store without its test window, and results of settings on it. What does not: which settings
(ablations.py, search.py, diversity.py), the tables of the test windows (cells.py).

What lies at or after the end of the last validation window is cut off as soon as a store is read, so that nothing here
can depend on it. A killed run loses the trial that it was in.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.benchmark.meter import Meter
from gnn_core.benchmark.results import CellResult, Results, cell_key, duration_name, estimate
from gnn_core.benchmark.spec import COLD, WARM, Spec, data_digest, specs
from gnn_core.benchmark.store_run import StoreRun, Window
from gnn_core.benchmark.variants import GRAPH, changed
from gnn_core.config import Settings, load_settings
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.errors import ConfigError, DataError
from gnn_core.evaluation.evaluate import panel_validator, places, recall_of
from gnn_core.evaluation.panel import build_panel
from gnn_core.graph.split import Cut, build_timeline
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.model.recommender import GraphRecommender
from gnn_core.program.offline import fit_validation
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.simulate import simulate, store_profile, write_raw
from gnn_core.simulate.sizes import STORE_END, size_of
from gnn_core.snapshot import Snapshot, build_snapshot
from gnn_core.stores.staging import RECIPES, stage_table
from gnn_core.stores.week import WeekTables

SIMULATED, SIMULATED_STORE = "simulated", "simulated_"
"""Kind and name of simulated stores: simulated_tiny, simulated_small …"""
FIRST_SIMULATED_SEED = 17
"""Of seed number 0; `gnn simulate` uses the same."""
RESULT = "validation_"
"""Begins the names of results of settings, other than those of the test windows."""
Changes = Mapping[str, Mapping[str, Any]]
"""Section → key → value."""


class ValidationStore:
    """A store as it was known at the end of its last validation window."""

    def __init__(self, settings: Settings, snapshot: Snapshot, cuts: Sequence[Cut]) -> None:
        """Cut off what follows; nothing is fitted.

        Args:
            snapshot: the whole store or less. cuts: validation windows.
        Raises:
            DataError: a cut is no validation window, or there is none.
        """
        if not cuts or any(cut.role != "validation" for cut in cuts):
            raise DataError(f"cuts {[cut.name for cut in cuts]}: choices are made on validation windows, and need one")
        self.settings, self.cuts = settings, tuple(cuts)
        self.snapshot = snapshot.before(max(cut.end for cut in cuts))
        self.eligible_P = eligible_mask(self.snapshot.products, settings.eligibility)

    @cached_property
    def windows(self) -> list[Window]:
        """Each validation window with what may be known before it, and who is judged in it."""
        found = []
        for cut in self.cuts:
            known = self.snapshot.before(cut.end)
            train = known.before(cut.fitted_before)
            found.append(Window(cut, train, build_panel(known, train, cut, self.settings, self.eligible_P)))
        return found

    def fitted(self, settings: Settings) -> list[tuple[Window, GraphRecommender]]:
        """The graph model of each window, stopped early by its Recall@10 there, as the weekly job does it."""
        by_name = {window.cut.name: window for window in self.windows}

        def fit(cut: Cut, start: str | None) -> GraphRecommender:
            window = by_name[cut.name]
            model = GraphRecommender(settings, start=start, validator=panel_validator(window.panel, settings))
            model.fit(window.train)
            return model

        fitted, _ = fit_validation(self.cuts, fit)
        return [(window, fitted[window.cut.name]) for window in self.windows]


@dataclass(frozen=True)
class Trial:
    """One fit of the graph model on one store, and the results that it gives."""

    spec: Spec
    names: tuple[str, ...]
    """Of its results."""
    changes: Changes = field(default_factory=dict)
    """From the defaults."""

    def __hash__(self) -> int:
        return hash((self.spec, self.names))


Judge = Callable[[ValidationStore, Trial, Settings], Mapping[str, CellResult]]


class Watcher(Protocol):
    """Told what happens, for people who wait."""

    def began(self, trial: Trial, seconds: float, remaining_s: float) -> None:
        """A trial begins, expected to take so long; `remaining_s` counts it in."""

    def ended(self, trial: Trial, facts: Mapping[str, Any]) -> None:
        """Its results are stored."""


def trial_specs(stores: Sequence[str], source: Path, *, colds: Sequence[int], seeds: int) -> list[Spec]:
    """Specs of public stores with validation windows, and of simulated ones.

    Raises:
        ConfigError: a simulated size is unknown, or a store has a published protocol without windows.
        DataError: the folder has no such data set.
    """
    found: list[Spec] = []
    for store in stores:
        if store.startswith(SIMULATED_STORE):
            size_of(store.removeprefix(SIMULATED_STORE))
            found += [Spec(store, SIMULATED, 0, seed) for seed in range(seeds)]
            continue
        of_store = specs([store], source, colds=colds, seeds=seeds)
        if of_store[0].kind not in (COLD, WARM):
            raise ConfigError(f"{store} has no validation window in time; name a cold, warm or simulated store")
        found += of_store
    return found


def open_store(spec: Spec, source: Path, config: Path, overlays: Sequence[Path | Mapping[str, Any]]) -> ValidationStore:
    """Read a spec's store; its test windows are gone when this returns."""
    if spec.kind == SIMULATED:
        return _simulated(spec, config, overlays)
    run = StoreRun(spec, source, config, overlays)
    return ValidationStore(run.settings, run.snapshot, run.timeline.validation)


def _simulated(spec: Spec, config: Path, overlays: Sequence[Path | Mapping[str, Any]]) -> ValidationStore:
    size, seed = spec.store.removeprefix(SIMULATED_STORE), FIRST_SIMULATED_SEED + spec.seed
    settings = load_settings(config, [store_profile(size, seed), *overlays])
    warehouse = DuckDbWarehouse(":memory:", settings.warehouse)
    write_raw(simulate(size, seed=seed), warehouse, settings)
    week = WeekTables(STORE_END, settings.warehouse.work_dataset)
    for name in RECIPES:
        stage_table(warehouse, name, week, settings)
    frames = {name: warehouse.read(week.table(name)).to_pandas() for name in SNAPSHOT_TABLES}
    snapshot = build_snapshot(frames, pd.Timestamp(STORE_END).to_datetime64())
    return ValidationStore(settings, snapshot, build_timeline(pd.Timestamp(STORE_END), settings.split).validation)


@dataclass(frozen=True)
class Trials:
    """Where trials are made and kept."""

    source: Path
    config: Path
    results: Results
    code: str
    """Digest of the code that was loaded."""
    overlays: tuple[Path | Mapping[str, Any], ...] = ()
    opened: Callable[[Spec], ValidationStore] | None = None
    """Reads a spec's store; None = by `open_store`."""
    data: Callable[[Spec], str] | None = None
    """Digest of a spec's data; None = of its files."""

    @property
    def settings(self) -> Settings:
        """Settings without any store's profile."""
        return load_settings(self.config, self.overlays)

    def missing(self, trials: Sequence[Trial]) -> list[Trial]:
        """Trials of which a result is not there."""
        return [t for t in trials if not all(self.results.has(t.spec, name, self._key(t, name)) for name in t.names)]

    def seconds(self, trial: Trial) -> float:
        """Expected: as long as it took before, else as other settings took on this store, else a guess."""
        known = self.results.seconds()
        own = known.get(duration_name(trial.spec, trial.names[0]))
        if own is not None:
            return own
        others = [s for name, s in known.items() if name.startswith(duration_name(trial.spec, RESULT))]
        if others:
            return float(np.mean(others))
        asked = trial.spec if trial.spec.kind in (COLD, WARM) else replace(trial.spec, kind=COLD)
        return estimate(asked, GRAPH, GRAPH, known)

    def run(
        self, trials: Sequence[Trial], judge: Judge, watcher: Watcher | None = None
    ) -> dict[Trial, dict[str, CellResult]]:
        """Make what is missing, store by store, then return every trial's results by name."""
        waiting = self.missing(trials)
        for spec in dict.fromkeys(t.spec for t in waiting):
            store = self._open(spec)
            for trial in [t for t in waiting if t.spec == spec]:
                if watcher is not None:  # asked anew each time: every trial that is measured tells of the others
                    watcher.began(trial, self.seconds(trial), sum(self.seconds(t) for t in waiting))
                waiting.remove(trial)
                with Meter() as meter:
                    made = judge(store, trial, changed(store.settings, trial.changes))
                for name in trial.names:
                    result = replace(made[name], facts=made[name].facts | meter.as_json())
                    self.results.write(spec, name, self._key(trial, name), result)
                if watcher is not None:
                    watcher.ended(trial, result.facts)
            del store
            gc.collect()
        return {
            trial: {name: self.results.read(trial.spec, name, self._key(trial, name)) for name in trial.names}
            for trial in trials
        }

    def _open(self, spec: Spec) -> ValidationStore:
        if self.opened is not None:
            return self.opened(spec)
        return open_store(spec, self.source, self.config, self.overlays)

    def _key(self, trial: Trial, name: str) -> str:
        data = data_digest(trial.spec, self.source) if self.data is None else self.data(trial.spec)
        return cell_key(trial.spec, name, GRAPH, changed(self.settings, trial.changes), data, self.code)


def judge_ranking(store: ValidationStore, trial: Trial, settings: Settings) -> dict[str, CellResult]:
    """A trial's single result: places in the full candidate ranking of every validation window."""
    fitted = store.fitted(settings)
    windows = [window for window, _ in fitted]
    ranks = [places(window.panel, model, settings) for window, model in fitted]
    recall_U = np.concatenate([recall_of(w.panel, rank_N) for w, rank_N in zip(windows, ranks, strict=True)])
    facts = {"validation_recall": float(recall_U.mean()), "best_steps": [model.best_step for _, model in fitted]}
    (name,) = trial.names
    return {name: placed(windows, ranks, facts)}


def placed(windows: Sequence[Window], ranks: Sequence[NDArray[np.int64]], facts: dict[str, Any]) -> CellResult:
    """Places of the windows' positives as a result."""
    users = pd.concat([w.panel.users for w in windows], ignore_index=True)
    offsets = np.cumsum([0, *(len(w.panel.users) for w in windows)])
    return CellResult(
        cut_U=users["cut"].to_numpy(dtype=str),
        user_U=users["user_id"].to_numpy(dtype=str),
        tier_U=users["tier"].to_numpy(dtype=str),
        n_positives_U=users["n_positives"].to_numpy(dtype=np.int64),
        n_unreachable_U=users["n_unreachable"].to_numpy(dtype=np.int64),
        user_N=np.concatenate([w.panel.user_N + start for w, start in zip(windows, offsets, strict=False)]),
        rank_N=np.concatenate(list(ranks)),
        facts=facts,
    )
