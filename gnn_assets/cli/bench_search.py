"""`gnn bench search`: settings for one store from its own validation windows, as an overlay that somebody may adopt."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from gnn_assets.cli.bench_trials import Progress, announce, asked_specs, compared_table, open_trials
from gnn_assets.cli.telling import write_json
from gnn_assets.environment import Environment
from gnn_core.benchmark.against_defaults import compared
from gnn_core.benchmark.search import choose_setting, overlay_text, search_trials
from gnn_core.benchmark.spec import Spec
from gnn_core.benchmark.trials import Trials, ValidationStore, judge_ranking
from gnn_core.errors import ConfigError

OWN = "own"
"""Kind of the state directory's store."""


def search(
    console: Console,
    *,
    source: Path | None,
    store: str | None,
    points: Sequence[str],
    cold: int,
    seeds: int,
    plan_only: bool,
    overlay: Path | None,
    json_file: Path | None,
) -> None:
    """Fit what is missing, print the figures and the choice, write the overlay."""
    where = Environment.from_variables()
    trials = open_trials("gnn_core.benchmark.search", source)
    if store is None:
        trials, spec = _own(trials, where)
    else:
        (spec,) = asked_specs(trials, [store], (), [cold], 1)
    plan = search_trials(spec, trials.settings, seeds=seeds, names=points)
    missing = announce(trials, plan, console)
    if plan_only:
        return
    made = trials.run(plan, judge_ranking, Progress(console, len(missing)))
    evaluation = trials.settings.evaluation
    choice = choose_setting(compared(made, evaluation), evaluation.confidence)
    compared_table(choice.rows, console)
    console.print(f"Chosen: {choice.chosen}; {choice.reason}.", highlight=False, soft_wrap=True)
    target = overlay or where.state_dir / f"searched_{spec.cell}.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(overlay_text(choice, spec.cell, trials.settings))
    console.print(f"Overlay: {target}. GNN_OVERLAY={target} gnn run uses it; nothing else does.", soft_wrap=True)
    write_json(choice.as_json(), json_file, console)


def _own(trials: Trials, where: Environment) -> tuple[Trials, Spec]:
    """Trials on the newest week that this state directory has a snapshot of.

    Raises:
        ConfigError: it has none.
    """
    from gnn_assets.interactions import FACTS
    from gnn_assets.resources import RAW, Platform

    # From the defaults, whatever overlay is in use: the search is about leaving them.
    where = replace(where, overlay=None)
    settings = where.settings()
    store = where.artifacts(settings)
    weeks = [key for key in store.weeks() if key[:1].isdigit() and all(store.exists(key, n) for n in (*RAW, FACTS))]
    if not weeks:
        raise ConfigError(
            f"{where.state_dir} holds no snapshot of a week; run `gnn run` once, or name a store with --store"
        )
    week = Platform.of(where).week(weeks[-1])
    versions = "".join(artifact.version for artifact in week.raw().values())
    spec = Spec(settings.store.name, OWN, 0, 0)

    def opened(_: Spec) -> ValidationStore:
        return ValidationStore(week.settings, week.snapshot(), week.timeline.validation)

    overlays = (*trials.overlays, *([where.profile_path] if where.profile_path.is_file() else []))
    data = hashlib.sha256(f"{weeks[-1]} {versions}".encode()).hexdigest()
    return replace(trials, overlays=overlays, opened=opened, data=lambda _: data), spec
