"""The cells of a run: what is there already, what has to be made and how long that takes, making it, one by one.

What belongs here: order, resuming, costs, failures. What does not: how a model is judged (store_run.py,
ranking_run.py), what is made of the results (figures.py).

A killed run loses the cell that it was in. A model that refuses a store (too many products for a dense inverse, say) is
a failure with its reason: shown, not stored, and the other models go on.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gnn_core.benchmark.meter import Meter
from gnn_core.benchmark.ranking_run import RankingRun
from gnn_core.benchmark.results import CellResult, Results, cell_key, code_digests, estimate
from gnn_core.benchmark.spec import COLD, LAST, SPLIT, Spec, data_digest
from gnn_core.benchmark.store_run import StoreRun
from gnn_core.benchmark.variants import SQL_MODELS, changed, grid_of, variant_of
from gnn_core.config import Settings, load_settings
from gnn_core.errors import GnnCoreError
from gnn_core.training.determinism import device_name

STRENGTHS = "smoother_strengths"
"""Name of the result that holds the smoother's chosen strengths, which other peers fall back on."""


@dataclass(frozen=True)
class Cell:
    """One model on one spec, with the key of its result."""

    spec: Spec
    model: str
    key: str
    seconds: float
    """Expected."""
    done: bool
    """A result under this key was there when the plan was made."""


@dataclass(frozen=True)
class Plan:
    """All cells of a run, specs together."""

    cells: tuple[Cell, ...]

    @property
    def to_make(self) -> tuple[Cell, ...]:
        """Cells without a result."""
        return tuple(cell for cell in self.cells if not cell.done)

    @property
    def seconds(self) -> float:
        """Expected seconds of what has to be made."""
        return sum(cell.seconds for cell in self.to_make)


class Watcher(Protocol):
    """Told what happens, for people who wait."""

    def started(self, cell: Cell, remaining_s: float) -> None:
        """A cell begins; `remaining_s` counts it in."""

    def finished(self, cell: Cell, facts: Mapping[str, Any]) -> None:
        """A cell is stored."""

    def failed(self, cell: Cell, reason: str) -> None:
        """A model refused."""


@dataclass
class Made:
    """Results of a run by (spec, model), and why others are not there."""

    results: dict[tuple[Spec, str], CellResult] = field(default_factory=dict)
    failures: dict[tuple[Spec, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """Where everything is."""

    source: Path
    config: Path
    results: Results
    overlays: tuple[Path | Mapping[str, Any], ...] = ()
    code: Mapping[str, str] = field(default_factory=code_digests)
    """By model, of the code that was loaded: taken once, since files may change while a long run goes on."""

    @property
    def settings(self) -> Settings:
        """Settings without any store's profile."""
        return load_settings(self.config, self.overlays)

    def plan(self, specs: Sequence[Spec], models: Sequence[str]) -> Plan:
        """Which cells there are. Models that cannot rank under a protocol (SQL without fitment) have no cell there."""
        settings, known = self.settings, self.results.seconds()
        data = {spec: data_digest(spec, self.source) for spec in specs}
        cells = []
        for spec in specs:
            for model in models:
                variant = variant_of(model)
                if variant.base in SQL_MODELS and spec.kind in (LAST, SPLIT):
                    continue
                varied, base = changed(settings, variant.changes), variant.base
                key = cell_key(spec, model, base, varied, data[spec], self.code[base], grid_of(base, spec))
                seconds = estimate(spec, model, variant.base, known)
                cells.append(Cell(spec, model, key, seconds, self.results.has(spec, model, key)))
        return Plan(tuple(cells))

    def stored(self, plan: Plan) -> Made:
        """The results of a plan that are there, without making any."""
        made = Made()
        for cell in plan.cells:
            if self.results.has(cell.spec, cell.model, cell.key):
                made.results[cell.spec, cell.model] = self.results.read(cell.spec, cell.model, cell.key)
        return made

    def run(self, plan: Plan, watcher: Watcher | None = None) -> Made:
        """Make what is missing, spec by spec, then return everything of the plan."""
        failures: dict[tuple[Spec, str], str] = {}
        wanted = self.settings.training.device
        remaining = plan.seconds
        for spec, cells in _by_spec(plan.to_make):
            opened: StoreRun | RankingRun | None = None
            for cell in cells:
                if watcher is not None:
                    watcher.started(cell, remaining)
                remaining -= cell.seconds
                try:
                    if opened is None:
                        opened = self._open(spec)
                    with Meter() as meter:
                        result = opened.judge(cell.model)
                except GnnCoreError as error:
                    failures[spec, cell.model] = f"{type(error).__name__}: {error}"
                    if watcher is not None:
                        watcher.failed(cell, failures[spec, cell.model])
                    continue
                result = replace(result, facts=result.facts | meter.as_json() | {"device": device_name(wanted)})
                self.results.write(spec, cell.model, cell.key, result)
                if watcher is not None:
                    watcher.finished(cell, result.facts)
            del opened
            gc.collect()
        made = self.stored(plan)
        made.failures.update(failures)
        return made

    def _open(self, spec: Spec) -> StoreRun | RankingRun:
        if spec.kind in (LAST, SPLIT):
            return RankingRun(spec, self.source, self.config, self.overlays)
        run = StoreRun(spec, self.source, self.config, self.overlays)
        if spec.kind == COLD:
            run.smoother = self._strengths(run)
        return run

    def _strengths(self, run: StoreRun) -> dict[str, float]:
        """Chosen once a spec, and kept, since every peer needs them."""
        data = data_digest(run.spec, self.source)
        key = cell_key(run.spec, STRENGTHS, "smoother", self.settings, data, self.code["smoother"])
        if not self.results.has(run.spec, STRENGTHS, key):
            with Meter() as meter:
                chosen = run.choose_smoother()
            none = np.zeros(0, dtype=np.int64)
            empty = CellResult(none, none, none, none, none, none, none, {"chosen": chosen} | meter.as_json())
            self.results.write(run.spec, STRENGTHS, key, empty)
        return self.results.read(run.spec, STRENGTHS, key).facts["chosen"]


def _by_spec(cells: Iterable[Cell]) -> list[tuple[Spec, list[Cell]]]:
    found: dict[Spec, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.spec, []).append(cell)
    return list(found.items())
