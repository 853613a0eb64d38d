"""Does gate 1 tell right from wrong? Planted nulls and planted structures, many seeds, the whole offline loop.

Null: the SQL cascade's own ordering is optimal, so every pass is a false one. Structure: what SQL cannot see is worth a
stated lift; a pass is right. Prints each seed, then the share of passes with its Wilson interval. With --keep FILE a
trial is written there as soon as it is judged, and one that the same code and settings have judged is not run again.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import math
import multiprocessing
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.workers import end_with_parent
from gnn_core.benchmark.results import code_digest
from gnn_core.config import Settings, load_settings
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.graph.split import build_timeline
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.program.offline import (
    Judged,
    choose,
    fit_validation,
    judge,
    refit,
    train_on_validation,
    validation_choices,
)
from gnn_core.recommender import Recommender
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.scoring.sql_baseline import SqlRecommender
from gnn_core.simulate import StoreSize, World, simulate, store_profile, write_raw
from gnn_core.simulate.sizes import STORE_END, size_of
from gnn_core.snapshot import Snapshot, build_snapshot
from gnn_core.stores.staging import RECIPES, stage_table
from gnn_core.stores.week import WeekTables

CONFIG = Path(__file__).parents[1] / "configs" / "gnn_config.yaml"
SECTIONS = (
    *("sources", "eligibility", "split", "graph", "paths", "history", "model", "training", "baseline", "evaluation"),
    *("hybrid", "scoring", "gate1"),
)
"""Settings that a verdict can depend on; those of the peers are not among them, since gate 1 knows SQL alone."""
SECONDS = 40.0
"""Guess for a store that was not judged before."""


@dataclass(frozen=True)
class Trial:
    """One simulated store, judged."""

    seed: int
    verdict: str
    lift: float | None
    low: float | None
    high: float | None
    users: int
    best_step: int
    candidate: str
    candidate_verdict: str
    smoother_lift: float | None
    seconds: float


def settings_for(size: StoreSize, seed: int, overrides: dict[str, Any]) -> Settings:
    """The project's own config with the store's profile and the benchmark's overrides."""
    return load_settings(CONFIG, [store_profile(size.name, seed), overrides])


def judge_simulated(size: StoreSize, seed: int, world: World, overrides: dict[str, Any]) -> Judged:
    """Raw tables → staging → snapshot → fit, choose, judge; the same functions as the weekly job, no Dagster."""
    settings = settings_for(size, seed, overrides)
    store = simulate(size, seed=seed, world=world)
    warehouse = DuckDbWarehouse(":memory:", settings.warehouse)
    write_raw(store, warehouse, settings)
    week = WeekTables(STORE_END, settings.warehouse.work_dataset)
    for name in RECIPES:
        stage_table(warehouse, name, week, settings)
    frames = {name: warehouse.read(week.table(name)).to_pandas() for name in SNAPSHOT_TABLES}
    snapshot = build_snapshot(frames, pd.Timestamp(STORE_END).to_datetime64())
    eligible_P = eligible_mask(snapshot.products, settings.eligibility)
    timeline = build_timeline(pd.Timestamp(STORE_END), settings.split)
    graphs, frozen = fit_validation(
        timeline.validation,
        lambda cut, start: train_on_validation(snapshot, cut, settings, eligible_P, start=start),
    )

    def graph_of(cut: Any, train: Snapshot) -> Recommender:
        if cut.name not in graphs:
            graphs[cut.name] = refit(
                train, frozen, settings, validation_choices(snapshot, timeline, cut, settings.split)
            )
        return graphs[cut.name]

    def make_sql(version: str) -> SqlRecommender:
        return SqlRecommender(warehouse, week, version, settings)

    selection = choose(snapshot, timeline.validation, settings, eligible_P, make_sql=make_sql, graph_of=graph_of)
    return judge(snapshot, timeline, selection, settings, eligible_P, make_sql=make_sql, graph_of=graph_of)


def wilson(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Two-sided 95 % interval of a share. Source: Wilson (1927)."""
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def run(
    world: World,
    size: StoreSize,
    seeds: Sequence[int],
    overrides: dict[str, Any],
    *,
    processes: int = 1,
    keep: Path | None = None,
) -> list[Trial]:
    """Judge one store a seed, printing each; in order of their seeds, whoever was ready first."""
    key = _key(world, size, overrides)
    trials = _kept(keep, key)
    wanted = [(world, size, seed, overrides) for seed in seeds if seed not in trials]
    if len(wanted) < len(seeds):
        print(f"  {len(seeds) - len(wanted)} of them were judged before ({keep})", flush=True)
    # A new interpreter each: torch and BLAS fix their threads when they start.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=end_with_parent) as pool:
        for done in as_completed([pool.submit(_trial, *asked) for asked in wanted]):
            trial = done.result()
            trials[trial.seed] = trial
            if keep:
                with keep.open("a") as file:
                    file.write(json.dumps({"key": key, **vars(trial)}) + "\n")
            print("  " + " ".join(f"{k}={_shown(v)}" for k, v in vars(trial).items()), flush=True)
    return [trials[seed] for seed in seeds]


def _trial(world: World, size: StoreSize, seed: int, overrides: dict[str, Any]) -> Trial:
    started = time.monotonic()
    judged = judge_simulated(size, seed, world, overrides)
    gate = judged.graph
    return Trial(
        seed,
        gate.verdict,
        gate.lift,
        gate.low,
        gate.high,
        gate.n_users,
        max(judged.selection.best_steps),
        judged.selection.candidate,
        judged.candidate.verdict,
        judged.comparison.lift("smoother").estimate,
        time.monotonic() - started,
    )


def _key(world: World, size: StoreSize, overrides: dict[str, Any]) -> str:
    code = [code_digest(start=f"gnn_core.{module}") for module in ("program.offline", "simulate", "stores.staging")]
    settings = settings_for(size, 0, overrides).fingerprint(*SECTIONS)
    told = json.dumps([repr(world), repr(size), settings, *code], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _kept(keep: Path | None, key: str) -> dict[int, Trial]:
    if keep is None or not keep.is_file():
        return {}
    rows = [json.loads(line) for line in keep.read_text().splitlines()]
    return {row["seed"]: Trial(**{k: v for k, v in row.items() if k != "key"}) for row in rows if row["key"] == key}


def planned(kept: Mapping[int, Trial], seeds: int) -> str:
    """How many stores of a world are missing, and about how long they take, by those that are there."""
    missing = [seed for seed in range(seeds) if seed not in kept]
    each = statistics.fmean(t.seconds for t in kept.values()) if kept else SECONDS
    return f"  {len(missing)} of {seeds} are missing, about {len(missing) * each / 60:.0f} min of a processor"


def summary(world: World, trials: Sequence[Trial]) -> dict[str, Any]:
    """Share of passes of the graph model, with its interval."""
    passes = sum(t.verdict == "pass" for t in trials)
    promoted = sum(t.candidate_verdict == "pass" for t in trials)
    low, high = wilson(passes, len(trials))
    lifts = [t.lift for t in trials if t.lift is not None]
    return {
        "world": world.name,
        "n": len(trials),
        "passes": passes,
        "estimate": passes / len(trials),
        "low": low,
        "high": high,
        "promoted": promoted,
        "mean_lift": sum(lifts) / len(lifts) if lifts else None,
        "seconds": sum(t.seconds for t in trials),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: `python -m benchmarks.planted --seeds 20`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--size", default="trial")
    parser.add_argument("--lift", type=float, default=0.14, help="planted lift of the structure world")
    parser.add_argument("--world", choices=("null", "structure", "both"), default="both")
    parser.add_argument(
        "--max-steps", type=int, default=5, help="training steps at most: 40 stores have to be affordable"
    )
    parser.add_argument("--processes", type=int, default=1, help="stores judged side by side")
    parser.add_argument("--keep", type=Path, help="file of judged trials, to go on where a run was stopped")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plan", action="store_true", help="only say how many are missing and how long they take")
    options = parser.parse_args(arguments)
    worlds = {"null": World.planted_null(), "structure": World.planted_structure(options.lift)}
    found = []
    for name, world in worlds.items():
        if options.world in (name, "both"):
            print(
                f"{world.name}, size {options.size}, {options.seeds} seeds ({dt.date.fromisoformat(str(STORE_END))}):"
            )
            overrides = {"training": {"max_steps": options.max_steps}}
            if options.plan:
                print(planned(_kept(options.keep, _key(world, size_of(options.size), overrides)), options.seeds))
                continue
            trials = run(
                world,
                size_of(options.size),
                range(options.seeds),
                overrides,
                processes=options.processes,
                keep=options.keep,
            )
            found.append(summary(world, trials))
    for row in found:
        print(
            f"{row['world']}: gate 1 passes {row['passes']} of {row['n']} = {row['estimate']:.1%} "
            f"[{row['low']:.1%}, {row['high']:.1%}], mean lift {_shown(row['mean_lift'])}, promoted {row['promoted']}, "
            f"{row['seconds']:.0f} s"
        )
    if options.json and found:
        options.json.write_text(json.dumps(found, indent=1))


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
