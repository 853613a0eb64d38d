"""The two artifacts that hold fitted graph models, from the week to the store: read, fit, write.

What belongs here: the same work in a step's own process and in each of several (torchrun_worker.py); of several, the
first writes. What does not: which steps there are and what they show (assets/), starting processes (torchrun.py).
It brings torch, so it is imported by the step that fits, when it fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gnn_assets import models
from gnn_assets.partitions import as_of
from gnn_assets.promotion import EXPERIMENT, promotion_of
from gnn_assets.resources import Week
from gnn_core.errors import ArtifactError
from gnn_core.experiment.serving_arms import is_running
from gnn_core.graph.split import Cut
from gnn_core.io.artifacts import Artifact, json_bytes
from gnn_core.model.recommender import GraphRecommender
from gnn_core.program.offline import Frozen, fit_validation, refit, train_on_validation, validation_choices
from gnn_core.snapshot import Snapshot
from gnn_core.training.checkpoint import to_bytes
from gnn_core.training.distributed import Processes

ALONE = Processes()
FROZEN = "frozen.json"
"""Of gnn_checkpoint: what validation says of later fits, and the figures behind it."""


def fit_judged(week: Week, processes: Processes = ALONE) -> Artifact | None:
    """gnn_checkpoint: models fitted before each window, to judge by. None in all processes but the first."""
    graph = week.read("hetero_graph")
    fitted, frozen, warm = _fit_cuts(week, week.snapshot())
    if not processes.is_first:
        return None
    first = next(iter(fitted.values()))
    return week.write(
        "gnn_checkpoint",
        {
            **{f"{name}.safetensors": to_bytes(model.to_checkpoint()) for name, model in fitted.items()},
            FROZEN: json_bytes(
                frozen.as_json()
                | {
                    "best": {name: model.best_step for name, model in fitted.items()},
                    "worth": {name: model.worth for name, model in fitted.items() if model.worth},
                }
            ),
        },
        inputs=[graph],
        sections=models.GRAPH_SECTIONS,
        meta={
            **frozen.as_json(),
            "histories": {name: model.history for name, model in fitted.items()},
            "path_weights": first.path_weights(),
            "warm_start": warm,
            "seed": week.settings.training.seed,
            "device": first.device,
            "processes": processes.size,
        },
    )


def fit_served(week: Week, processes: Processes = ALONE) -> Artifact | None:
    """promoted_model: gate 1's verdict read as data; a promoted graph model is refitted as of the as-of date.

    While an experiment runs, its policy stays and is refitted on the new data. None in all processes but the first.
    """
    report = week.read("eval_report")
    promotion = promotion_of(week)
    decision, selection = promotion.decision, promotion.selection
    files = {"decision.json": json_bytes(decision.as_json()), "selection.json": json_bytes(selection.as_json())}
    if is_running(week.settings.experiment, as_of(week.key)):
        files[EXPERIMENT] = json_bytes(promotion.as_json())
    meta: dict[str, Any] = {"warm_start": "not fitted: no graph model is served"}
    if decision.needs_graph:
        previous, warm = models.last_week(week, "promoted_model", "serving")
        frozen = Frozen.from_json(week.read("gnn_checkpoint").json(FROZEN))
        model = refit(week.snapshot(), frozen, week.settings, **models.fit_options(week, "serving", previous))
        meta = {"warm_start": warm, "device": model.device, "processes": processes.size}
        if processes.is_first:
            files |= {"serving.safetensors": to_bytes(model.to_checkpoint())}
            files |= models.served_vectors(model, week.snapshot())
            meta |= models.vector_facts(week, model, week.snapshot())
    if not processes.is_first:
        return None
    return week.write("promoted_model", files, inputs=[report], sections=models.GRAPH_SECTIONS, meta=meta)


FITS: Mapping[str, Callable[[Week, Processes], Artifact | None]] = {
    "gnn_checkpoint": fit_judged,
    "promoted_model": fit_served,
}


def alone(week: Week, name: str) -> Artifact:
    """Fit and write in this process."""
    made = FITS[name](week, ALONE)
    if made is None:
        raise ArtifactError(f"{week.key}/{name} was fitted and not written")
    return made


def _fit_cuts(week: Week, snapshot: Snapshot) -> tuple[dict[str, GraphRecommender], Frozen, dict[str, str]]:
    """Models by cut name, what is frozen, and how each role started."""
    eligible_P = models.eligible_products(week, snapshot)
    warm = {}
    last, warm["validation"] = models.last_week(week, "gnn_checkpoint", "validation")

    def fit(cut: Cut, start: str | None) -> GraphRecommender:
        options = models.fit_options(week, cut.name, last)
        return train_on_validation(snapshot, cut, week.settings, eligible_P, start=start, **options)

    fitted, frozen = fit_validation(week.timeline.validation, fit)
    untaught = {cut.fitted_before: fitted[cut.name] for cut in week.timeline.validation}
    taught: dict[np.datetime64, GraphRecommender] = {}
    previous, warm["test"] = models.last_week(week, "gnn_checkpoint", "test")
    for cut in week.timeline.test:
        choices = validation_choices(snapshot, week.timeline, cut, week.settings.split)
        same = untaught if choices is None else taught
        if cut.fitted_before not in same:
            options = models.fit_options(week, cut.name, previous)
            train = snapshot.before(cut.fitted_before)
            same[cut.fitted_before] = refit(train, frozen, week.settings, choices, **options)
        fitted[cut.name] = same[cut.fitted_before]
    return fitted, frozen, warm
