"""Cold and warm protocols: the ordinary pipeline's windows, panels and fits, model by model.

What belongs here: one store of one spec, opened once, and any model judged on it. What does not: where results are kept
(results.py), the order of cells (cells.py), published protocols (ranking_run.py).

Everything that is chosen is chosen on validation windows: training steps, strengths, settings of a grid. A model's test
panels are opened after its choices are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gnn_core.benchmark.collapse import LIST_LENGTH, collapse_report
from gnn_core.benchmark.results import CellResult
from gnn_core.benchmark.shuffle import exchanged
from gnn_core.benchmark.spec import FIRST_SEED, REBUY, WARM, Spec
from gnn_core.benchmark.variants import GRAPH, SQL_MODELS, Variant, changed, grid_of, variant_of
from gnn_core.config import Settings, load_settings
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.evaluation.evaluate import places, recall_of
from gnn_core.evaluation.panel import Panel, build_panel
from gnn_core.evaluation.selection import smoother_grid
from gnn_core.graph.split import Cut, build_timeline
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.io.warehouse import Warehouse
from gnn_core.model.recommender import GraphRecommender
from gnn_core.program.offline import fit_validation, fitted_peer, refit, train_on_validation, validation_choices
from gnn_core.recommender import Recommender
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.scoring.rank import top_k
from gnn_core.scoring.sql_baseline import SqlRecommender
from gnn_core.snapshot import Int, Snapshot, build_snapshot
from gnn_core.stores.public import load_store, write_contract
from gnn_core.stores.staging import RECIPES, stage_table
from gnn_core.stores.week import WeekTables

Chosen = dict[str, Any]
Fit = Callable[[Cut, Snapshot], Recommender]


@dataclass(frozen=True)
class Window:
    """A held-out window with what may be known before it."""

    cut: Cut
    train: Snapshot
    panel: Panel


class StoreRun:
    """One spec of the cold or warm protocol."""

    def __init__(self, spec: Spec, source: Path, config: Path, overlays: Sequence[Path | Mapping[str, Any]]) -> None:
        """Read and code the store; nothing is fitted, and no window is looked at."""
        self.spec = spec
        rebuy = spec.kind == WARM and spec.store.endswith(REBUY)
        store = load_store(
            spec.store.removesuffix(REBUY) if rebuy else spec.store,
            source,
            cold_share=spec.cold / 100 if spec.cold else 0.9,
            seed=FIRST_SEED + spec.seed,
            rebuy=rebuy,
        )
        settings = load_settings(config, [store.profile, *overlays])
        if spec.kind == WARM:
            # No split is drawn here, so a seed is one of training.
            settings = changed(settings, {"training": {"seed": settings.training.seed + spec.seed}})
        self.settings = settings
        as_of = pd.Timestamp(settings.store.first_week) + pd.Timedelta(days=7)
        self.timeline = build_timeline(as_of, settings.split)
        if spec.shuffled:
            store = exchanged(store, [cut.start for cut in self.timeline.cuts], seed=FIRST_SEED + spec.seed)
        self._store = store
        self.snapshot = build_snapshot({n: store.tables[n].to_pandas() for n in SNAPSHOT_TABLES}, as_of.to_datetime64())
        self.eligible_P = eligible_mask(self.snapshot.products, settings.eligibility)
        self._week = WeekTables(as_of.date(), settings.warehouse.work_dataset)
        self.smoother: Chosen | None = None
        """The smoother's strengths; set once chosen, and used by every peer that falls back on it."""

    @cached_property
    def warehouse(self) -> Warehouse:
        """The store's tables in an embedded database in memory, staged as the weekly job stages them."""
        warehouse = DuckDbWarehouse(":memory:", self.settings.warehouse)
        write_contract(self._store, warehouse, self.settings)
        for name in RECIPES:
            stage_table(warehouse, name, self._week, self.settings)
        return warehouse

    @cached_property
    def validation(self) -> list[Window]:
        """Validation windows; what follows the last of them is cut off first."""
        known = self.snapshot.before(max(cut.end for cut in self.timeline.validation))
        return [self._window(known, cut) for cut in self.timeline.validation]

    @cached_property
    def test(self) -> list[Window]:
        """Test windows."""
        return [self._window(self.snapshot, cut) for cut in self.timeline.test]

    def choose_smoother(self) -> Chosen:
        """The smoother's strengths on validation; the configured ones where the store has one segment only."""
        base = self.settings.baseline
        if len(self.snapshot.segment_ids) < 2:
            strengths = base.smoother_segment_strength, base.smoother_make_strength
        else:
            points = smoother_grid([window.panel for window in self.validation], self.settings)
            best = max(points, key=lambda point: point.recall)
            strengths = best.segment_strength, best.make_strength
        return {"smoother_segment_strength": strengths[0], "smoother_make_strength": strengths[1]}

    def judge(self, model: str) -> CellResult:
        """Choose on validation, fit, and place the held-out positives of the test windows; `facts` lack the costs."""
        variant = variant_of(model)
        settings = changed(self.settings, variant.changes)
        if variant.base == GRAPH:
            fit, recall, chosen = self._graph(settings)
        else:
            fit, recall, chosen = self._chosen(variant, settings)
        return self._tested(fit, {"validation_recall": recall, "chosen": chosen})

    def _graph(self, settings: Settings) -> tuple[Fit, float, Chosen]:
        def fit_window(cut: Cut, start: str | None) -> GraphRecommender:
            return train_on_validation(self.snapshot.before(cut.end), cut, settings, self.eligible_P, start=start)

        fitted, frozen = fit_validation([window.cut for window in self.validation], fit_window)
        recalls = [recall_of(w.panel, places(w.panel, fitted[w.cut.name], settings)) for w in self.validation]

        def fit(cut: Cut, train: Snapshot) -> Recommender:
            return refit(train, frozen, settings, validation_choices(self.snapshot, self.timeline, cut, settings.split))

        chosen = {"best_steps": [fitted[w.cut.name].best_step for w in self.validation], **frozen.as_json()}
        return fit, float(np.concatenate(recalls).mean()), chosen

    def _chosen(self, variant: Variant, settings: Settings) -> tuple[Fit, float, Chosen]:
        """The first best of a model's grid on validation (one point where it has no grid)."""
        tried = []
        for point in grid_of(variant.base, self.spec):
            tuned = changed(settings, point)
            fit = self._fit(variant.base, tuned)
            recalls = []
            for window in self.validation:
                model = fit(window.cut, window.train)
                recalls.append(recall_of(window.panel, places(window.panel, model, tuned)))
            tried.append((float(np.concatenate(recalls).mean()), point, fit))
        recall, point, fit = max(tried, key=lambda entry: entry[0])
        chosen = {key: value for values in point.values() for key, value in values.items()}
        return fit, recall, chosen | (self.smoother or {} if variant.base == "smoother" else {})

    def _fit(self, base: str, settings: Settings) -> Fit:
        fitted: dict[tuple[np.datetime64, bool], Recommender] = {}

        def fit(cut: Cut, train: Snapshot) -> Recommender:
            choices = validation_choices(self.snapshot, self.timeline, cut, settings.split)
            key = cut.fitted_before, choices is not None
            if key in fitted:
                return fitted[key]
            model: Recommender
            if base in SQL_MODELS:
                model = SqlRecommender(self.warehouse, self._week, base.removeprefix("sql_"), settings)
                model.fit(train)
            else:
                smoothed = changed(settings, {"baseline": self.smoother}) if self.smoother else settings
                model = fitted_peer(base, train, smoothed, self.eligible_P, choices)
            fitted[key] = model
            return model

        return fit

    def _tested(self, fit: Fit, facts: dict[str, Any]) -> CellResult:
        parts, ranks, report = [], [], None
        for window in self.test:
            model = fit(window.cut, window.train)
            rank_N = places(window.panel, model, self.settings)
            parts.append(window.panel.users.assign(start=len(rank_N)))
            ranks.append(rank_N)
            report = _collapse(window, model, self.settings)
        users = pd.concat(parts, ignore_index=True)
        offsets = np.cumsum([0, *(len(window.panel.users) for window in self.test)])
        user_N = [w.panel.user_N + start for w, start in zip(self.test, offsets, strict=False)]
        facts = facts | {"windows": [w.panel.facts.as_json() for w in self.test], "collapse": report}
        return CellResult(
            cut_U=users["cut"].to_numpy(dtype=str),
            user_U=users["user_id"].to_numpy(dtype=str),
            tier_U=users["tier"].to_numpy(dtype=str),
            n_positives_U=users["n_positives"].to_numpy(dtype=np.int64),
            n_unreachable_U=users["n_unreachable"].to_numpy(dtype=np.int64),
            user_N=np.concatenate(user_N),
            rank_N=np.concatenate(ranks),
            facts=facts,
        )

    def _window(self, known: Snapshot, cut: Cut) -> Window:
        train = known.before(cut.fitted_before)
        return Window(cut, train, build_panel(known, train, cut, self.settings, self.eligible_P))


def _collapse(window: Window, model: Recommender, settings: Settings) -> dict[str, Any]:
    """The collapse report of the newest test window; the model is prepared for its audience."""
    panel = window.panel
    top_AK = np.full((len(panel.audience), LIST_LENGTH), -1, dtype=np.int64)
    candidate_P = np.zeros(len(window.train.product_ids), dtype=bool)
    for block in panel.blocks(settings.scoring.block_rows):
        candidate_P |= block.mask_RP.any(axis=0)
        top_AK[block.start : block.stop] = top_k(
            model.score_block(block.start, block.stop), block.mask_RP, LIST_LENGTH, name=model.name
        )[0]
    users_A: Int = np.bincount(panel.row_U, minlength=len(panel.audience)).astype(np.int64)
    return collapse_report(model, panel.audience, users_A, top_AK, window.train, candidates=int(candidate_P.sum()))
