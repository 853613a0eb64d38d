"""Fit, choose, judge: from a snapshot to gate 1, each step a function that an asset or a benchmark calls.

What belongs here: the order of steps and what each may see. What does not: how a step works (training, evaluation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gnn_core.config import Settings, SplitSettings
from gnn_core.discovery.universal import with_universal
from gnn_core.errors import LeakageError
from gnn_core.evaluation.comparison import Comparison, compare
from gnn_core.evaluation.evaluate import Evaluation, evaluate, pool, recall_validator
from gnn_core.evaluation.gate import GateVerdict, judge_gate1
from gnn_core.evaluation.positives import Clicks
from gnn_core.evaluation.selection import Fitted, Selection, select, with_selection
from gnn_core.graph.split import Cut, Timeline
from gnn_core.recommender import Audience, Recommender, Taught
from gnn_core.scoring.candidates import Candidates
from gnn_core.scoring.hybrid import Hybrid
from gnn_core.scoring.peers import make_peer
from gnn_core.snapshot import Events, Snapshot

if TYPE_CHECKING:
    from gnn_core.model.recommender import GraphRecommender

SQL_VERSIONS = ("v5.17", "v5.18")
MakeSql = Callable[[str], Recommender]
"""A fresh, unfitted SQL recommender of a version."""
FitGraph = Callable[[Cut, Snapshot], "GraphRecommender"]
"""A fitted graph model for a cut: trained here, or read back from a checkpoint."""


@dataclass(frozen=True)
class Judged:
    """What gate 1 looked at, and what it said."""

    selection: Selection
    evaluation: Evaluation
    comparison: Comparison
    graph: GateVerdict
    """Of the graph model itself, as the proposal asks."""
    candidate: GateVerdict
    """Of the frozen policy that would be served; promotion needs its pass."""


@dataclass(frozen=True)
class Frozen:
    """What later fits of the graph model take over from validation."""

    steps: int
    """Gradient steps."""
    start: str | None = None
    """Where the search for the weights of a history begins (training/constants.py); None = as earlier windows say."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return {"steps": self.steps, "start": self.start}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Frozen:
        """What `as_json` gave; other names are passed over."""
        return cls(int(values["steps"]), values["start"])


def train_on_validation(
    snapshot: Snapshot, cut: Cut, settings: Settings, eligible_P: NDArray[np.bool_], **options: object
) -> GraphRecommender:
    """A graph model fitted before a validation window, stopped early by its Recall@10 in that window."""
    train = snapshot.before(cut.fitted_before)
    # The validator sees the window that it stops on and nothing later.
    validator = recall_validator(snapshot.before(cut.end), train, cut, settings, eligible_P)
    model = _unfitted(settings, validator=validator, **options)
    model.fit(train)
    return model


def fit_validation(
    cuts: Sequence[Cut], fit: Callable[[Cut, str | None], GraphRecommender]
) -> tuple[dict[str, GraphRecommender], Frozen]:
    """A model for each validation window by its name, and what they say of every later fit.

    All windows together choose one start of the weights of a history, and a window that had preferred another is
    fitted again: what is judged and what is served afterwards are then models of one kind.

    Args:
        fit: a fitted model of a window, from a given start; None = the best of all in that window.
    """
    fitted = {cut.name: fit(cut, None) for cut in cuts}
    start = frozen_start([(model.start, model.worth) for model in fitted.values()])
    for cut in cuts:
        if fitted[cut.name].start != start:
            fitted[cut.name] = fit(cut, start)
    return fitted, Frozen(frozen_steps([model.best_step for model in fitted.values()]), start)


def frozen_start(windows: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """The start of the highest mean worth over the windows that had a choice; at a tie the first of them.

    Args:
        windows: start of each window's model, and what each start was worth there (empty: there was no choice).
    """
    had_choice = [worth for _, worth in windows if worth]
    if not had_choice:
        return windows[0][0]
    shared = [name for name in had_choice[0] if all(name in worth for worth in had_choice)]
    return max(shared, key=lambda name: sum(worth[name] for worth in had_choice))


def frozen_steps(best_steps: Sequence[int]) -> int:
    """Training steps of every later fit: the median over the validation windows, the lower one of two."""
    ordered = sorted(best_steps)
    return ordered[(len(ordered) - 1) // 2]


def validation_choices(snapshot: Snapshot, timeline: Timeline, cut: Cut, settings: SplitSettings) -> Events | None:
    """What was chosen in the validation windows, for a fit that is judged in `cut` and counts nothing of them.

    Where tests are fitted before validation (`split.refit_at_test_cutoff: false`), validation settles the weights of a
    model as it settles its other settings. None where tests are fitted at their own cutoff, for a validation window,
    and without `split.validation_teaches`.

    Raises:
        LeakageError: a validation window reaches into the test window, and tests are fitted before it.
    """
    if settings.refit_at_test_cutoff or not settings.validation_teaches or cut.role != "test":
        return None
    end = max(window.end for window in timeline.validation)
    if end > cut.start:
        raise LeakageError(
            f"validation ends at {end}, after cut {cut.name} begins ({cut.start}); its choices would be judged again. "
            "Validate earlier, or set split.validation_teaches to false"
        )
    return snapshot.events.between(cut.fitted_before, end)


def refit(
    train: Snapshot, frozen: Frozen, settings: Settings, choices: Events | None = None, **options: object
) -> GraphRecommender:
    """The same settings, start and steps on newer data; nothing is chosen here.

    Args:
        choices: of `validation_choices`; they teach the weights of paths and histories.
    """
    model = _unfitted(settings, max_steps=frozen.steps, start=frozen.start, **options)
    if choices is not None:
        model.teach(choices)
    model.fit(train)
    return model


def _unfitted(settings: Settings, **options: object) -> GraphRecommender:
    from gnn_core.model.recommender import GraphRecommender  # brings torch

    return GraphRecommender(settings, **options)  # type: ignore[arg-type]


def fitted_sql(make_sql: MakeSql, train: Snapshot) -> dict[str, Recommender]:
    """Every SQL version, fitted."""
    models = {f"sql_{version}": make_sql(version) for version in SQL_VERSIONS}
    for model in models.values():
        model.fit(train)
    return models


def choose(
    snapshot: Snapshot,
    cuts: Sequence[Cut],
    settings: Settings,
    eligible_P: NDArray[np.bool_],
    *,
    make_sql: MakeSql,
    graph_of: FitGraph,
) -> Selection:
    """Everything that is chosen, on the validation cuts."""
    fitted = []
    for cut in cuts:
        train = snapshot.before(cut.fitted_before)
        graph = graph_of(cut, train)
        scored = with_universal(graph, train, eligible_P, settings)
        fitted.append(Fitted(cut, train, fitted_sql(make_sql, train), scored, graph.best_step))
    return select(fitted, snapshot, settings, eligible_P)


def judge(
    snapshot: Snapshot,
    timeline: Timeline,
    selection: Selection,
    settings: Settings,
    eligible_P: NDArray[np.bool_],
    *,
    make_sql: MakeSql,
    graph_of: FitGraph,
    clicks: Clicks | None = None,
    invalid: Sequence[str] = (),
) -> Judged:
    """Every model on the test cuts, then gate 1 on the graph model and on the frozen candidate."""
    chosen = with_selection(settings, selection)
    evaluations = []
    for cut in timeline.test:
        train = snapshot.before(cut.fitted_before)
        graph = with_universal(graph_of(cut, train), train, eligible_P, settings)
        choices = validation_choices(snapshot, timeline, cut, settings.split)
        sql = fitted_sql(make_sql, train)
        models = peer_models(train, selection, chosen, eligible_P, sql=sql, graph=graph, choices=choices)
        evaluations.append(evaluate(list(models.values()), snapshot, train, cut, chosen, eligible_P, clicks=clicks))
    evaluation = pool(evaluations)
    judged = tuple(dict.fromkeys(("graph", selection.candidate)))
    comparison = compare(evaluation, selection.baseline, settings.evaluation, judged=judged)

    def verdict(model: str) -> GateVerdict:
        names = {"model": f"the {model}" if model != "graph" else "the graph model", "baseline": selection.baseline}
        return judge_gate1(comparison.lift(model), settings.gate1, invalid=invalid, **names)

    return Judged(selection, evaluation, comparison, verdict("graph"), verdict(selection.candidate))


def peer_models(
    train: Snapshot,
    selection: Selection,
    settings: Settings,
    eligible_P: NDArray[np.bool_],
    *,
    sql: Mapping[str, Recommender],
    graph: Recommender,
    choices: Events | None = None,
) -> dict[str, Recommender]:
    """Every model of the report by name, fitted on `train`: SQL, graph, hybrid, and the configured peers.

    `choices` of `validation_choices` teach those peers that learn from choices.
    """
    models: dict[str, Recommender] = {**sql, "graph": graph}
    models["hybrid"] = hybrid_of(sql[selection.baseline], graph, selection.alpha, train, settings, eligible_P)
    for name in dict.fromkeys((*settings.evaluation.peers, "smoother")):
        models[name] = fitted_peer(name, train, settings, eligible_P, choices)
    return models


def fitted_peer(
    name: str, train: Snapshot, settings: Settings, eligible_P: NDArray[np.bool_], choices: Events | None = None
) -> Recommender:
    """A peer fitted on `train`, and taught by `choices` where there are any and it learns from choices."""
    model = make_peer(name, settings, eligible_P)
    if choices is not None and isinstance(model, Taught):
        model.teach(choices)
    model.fit(train)
    return model


def hybrid_of(
    sql: Recommender,
    graph: Recommender,
    alpha: float,
    train: Snapshot,
    settings: Settings,
    eligible_P: NDArray[np.bool_],
) -> Hybrid:
    """The blend, scaled within the candidates that are ranked."""

    def candidates_of(audience: Audience) -> Candidates:
        return Candidates(
            train,
            audience,
            eligible_P,
            settings.scoring,
            min_products_per_vehicle=settings.eligibility.min_products_per_vehicle,
            new_products_only=settings.evaluation.new_products_only,
        )

    return Hybrid(sql, graph, alpha, settings.hybrid.scale, candidates_of)
