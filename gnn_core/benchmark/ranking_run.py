"""Published protocols, model by model: choose on the validation task, fit, rank everything for the test task.

What belongs here: one published protocol of one spec, opened once, and any model judged on it. What does not: the
protocol's rules (published.py), ranking (full_ranking.py), the other protocols (store_run.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnn_core.benchmark.collapse import LIST_LENGTH, collapse_report
from gnn_core.benchmark.full_ranking import RankingTask, rank_all, ranking_validator
from gnn_core.benchmark.published import load_published
from gnn_core.benchmark.results import CellResult
from gnn_core.benchmark.spec import FIRST_SEED, Spec
from gnn_core.benchmark.variants import GRAPH, SQL_MODELS, changed, grid_of, variant_of
from gnn_core.config import Settings
from gnn_core.errors import ConfigError
from gnn_core.model.recommender import GraphRecommender
from gnn_core.program.offline import Frozen, refit
from gnn_core.recommender import Recommender
from gnn_core.scoring.peers import make_peer
from gnn_core.snapshot import Snapshot

STOPPING_USERS = 4_000
"""Users whom early stopping asks; the standard error of a hit rate of .08 is .004 then, and a look costs a sixth."""

Chosen = dict[str, Any]
Fit = Callable[[Snapshot], Recommender]


class RankingRun:
    """One spec of a published protocol."""

    def __init__(self, spec: Spec, source: Path, config: Path, overlays: Sequence[Path | Mapping[str, Any]]) -> None:
        """Read and code the protocol; nothing is fitted."""
        self.spec = spec
        self.protocol = load_published(
            spec.store, source, config, overlays=overlays, seed=FIRST_SEED + spec.seed, shuffled=spec.shuffled
        )
        training = self.protocol.settings.training
        self.settings = changed(self.protocol.settings, {"training": {"seed": training.seed + spec.seed}})

    def judge(self, model: str) -> CellResult:
        """Choose on the validation task, fit, and place the test task's positives; `facts` lack the costs.

        Raises:
            ConfigError: SQL was asked for; these protocols have no fitment, and SQL has nothing else.
        """
        variant = variant_of(model)
        if variant.base in SQL_MODELS:
            raise ConfigError(f"{model} ranks by fitment, which {self.spec.store} has not; leave it out here")
        settings = changed(self.settings, variant.changes)
        fit, recall, chosen = self._graph(settings) if variant.base == GRAPH else self._peer(variant.base, settings)
        return self._tested(fit, {"validation_recall": recall, "chosen": chosen})

    def _graph(self, settings: Settings) -> tuple[Fit, float, Chosen]:
        first, k = self.protocol.validation, self.protocol.k
        asked = first.sample(STOPPING_USERS, settings.training.seed)
        validated = GraphRecommender(settings, validator=ranking_validator(asked, k=k))
        validated.fit(first.train)
        frozen = Frozen(validated.best_step, validated.start)

        def fit(train: Snapshot) -> Recommender:
            return validated if train is first.train else refit(train, frozen, settings)

        chosen = {"best_steps": [validated.best_step], **frozen.as_json()}
        return fit, ranking_validator(first, k=k)(validated), chosen

    def _peer(self, base: str, settings: Settings) -> tuple[Fit, float, Chosen]:
        first, k = self.protocol.validation, self.protocol.k
        best: tuple[float, Mapping[str, Mapping[str, Any]], Recommender] | None = None
        for point in grid_of(base, self.spec):
            model = make_peer(base, changed(settings, point), self.protocol.eligible_P)
            model.fit(first.train)
            recall = ranking_validator(first, k=k)(model)
            if best is None or recall > best[0]:
                best = recall, point, model
        assert best is not None
        recall, point, validated = best

        def fit(train: Snapshot) -> Recommender:
            if train is first.train:
                return validated
            model = make_peer(base, changed(settings, point), self.protocol.eligible_P)
            model.fit(train)
            return model

        return fit, recall, {key: value for values in point.values() for key, value in values.items()}

    def _tested(self, fit: Fit, facts: dict[str, Any]) -> CellResult:
        task = self.protocol.test
        model = fit(task.train)
        ranked = rank_all(task, model, list_length=LIST_LENGTH)
        assert ranked.top_UK is not None
        first_U = np.unique(ranked.row_U, return_index=True)[1]
        report = collapse_report(
            model,
            ranked.audience,
            np.bincount(ranked.row_U, minlength=len(ranked.audience)).astype(np.int64),
            ranked.top_UK[first_U],
            task.train,
            candidates=len(task.known.product_ids),
        )
        return CellResult(
            cut_U=np.full(len(task.user_U), task.name),
            user_U=task.known.user_ids[task.user_U].astype(str),
            tier_U=np.full(len(task.user_U), "all"),
            n_positives_U=task.n_positives_U,
            n_unreachable_U=np.zeros(len(task.user_U), dtype=np.int64),
            user_N=task.user_N,
            rank_N=ranked.rank_N,
            facts=facts | {"windows": [_window(task)], "collapse": report},
        )


def _window(task: RankingTask) -> dict[str, Any]:
    return {
        "cut": task.name,
        "role": task.role,
        "users_active": len(task.user_U),
        "users_evaluable": len(task.user_U),
        "users_unreachable": 0,
        "positives": len(task.product_N),
        "positives_unreachable": 0,
    }
