"""`gnn bench gates`: how often the gates are right, by simulation of the rules that judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from gnn_assets.cli.telling import write_json
from gnn_assets.environment import Environment
from gnn_core.config import Settings
from gnn_core.errors import ConfigError, DataError
from gnn_core.experiment.calibration import Proportion, calibrate_gate1, calibrate_gate2, calibrate_srm
from gnn_core.experiment.power import users_needed

BASE_RATE = 0.0066
"""Clickers per user in two weeks, as in the published e-mail test's personalised arm."""
SMALL_USERS = 15_000
"""Users an arm of the small experiment: about a hundred control clickers."""
SRM_DRAWS = 200_000
SRM_SMALL_USERS = 2_000
_MEANING = {
    "false_pass_fixed": "no lift: the final rule passes",
    "false_pass_sequential": "no lift: any day's always-valid interval, or the final rule, passes",
    "false_pass_combined": "no lift: daily looks may stop, the final rule passes (as run)",
    "false_pass_gate1": "gate 1: model and SQL exchanged at random within each user",
    "pass_at_threshold": "true lift = τ: passes",
    "power_at_plan": "true lift = the planned one: passes",
    "stopped_at_null": "no lift: a daily look stops it",
    "stopped_at_plan": "planned lift: a daily look stops it",
    "coverage": "no lift: the fixed interval covers it",
    "coverage_adjusted": "no lift: the fixed interval after CUPED covers it",
    "coverage_sequential": "no lift: the always-valid interval covers it on every day",
    "coverage_at_plan": "planned lift: the fixed interval covers it",
    "coverage_adjusted_at_plan": "planned lift: the fixed interval after CUPED covers it",
    "coverage_sequential_at_plan": "planned lift: the always-valid interval covers it on every day",
    "srm_false_alarm": "fair assignment: a sample-ratio mismatch is reported",
}


def gates(console: Console, *, runs: int, seed: int, users_file: Path | None, json_file: Path | None) -> None:
    """Calibrate gate 2, the mismatch test, and gate 1 where a store was judged; print, and write JSON.

    Raises:
        ConfigError: too few runs for the claims that are printed.
        DataError: `users_file` is no per-user table of an evaluation report.
    """
    if runs < 1_000:
        raise ConfigError(f"--runs {runs}: coverage is claimed from 1,000 runs up")
    where = Environment.from_variables()
    settings = where.settings()
    experiment = settings.experiment
    judged = _judged_users(where, settings, users_file)  # first: a wrong file is told at once, not after minutes
    planned = users_needed(BASE_RATE, experiment.planned_lift, experiment)
    found = calibrate_gate2(experiment, base_rate=BASE_RATE, small_users=SMALL_USERS, runs=runs, seed=seed)
    for size, users in (("", 2 * (planned or SMALL_USERS)), ("_small", SRM_SMALL_USERS)):
        found[f"srm_false_alarm{size}"] = calibrate_srm(experiment, users=users, draws=SRM_DRAWS, seed=seed + 1)
    if judged is not None:
        frame, model, baseline, origin = judged
        found["false_pass_gate1"] = _gate1(frame, model, baseline, settings, runs=min(runs, 4_000), seed=seed)
        console.print(f"Gate 1 on {origin}: {model} against {baseline}.", highlight=False)
    else:
        console.print("Gate 1 is left out: no week was judged in this state directory (`gnn run`), and no --users.")
    console.print(
        "Shares of simulated experiments, with Wilson intervals of 95 %. "
        f"Base rate {BASE_RATE:.2%}, τ {experiment.threshold:.0%}, planned lift {experiment.planned_lift:.0%}, "
        f"{experiment.days} days; planned size {planned:,} users an arm, small size {SMALL_USERS:,}.",
        highlight=False,
        soft_wrap=True,
    )
    _show(found, console)
    write_json({k: v.as_json() for k, v in found.items()}, json_file, console)


def _judged_users(
    where: Environment, settings: Settings, users_file: Path | None
) -> tuple[pd.DataFrame, str, str, str] | None:
    """(per-user metrics, model, baseline, where they are from); None when no store was judged."""
    if users_file is not None:
        try:
            frame = pd.read_parquet(users_file)
        except (OSError, ValueError) as error:
            raise DataError(f"--users {users_file}: not readable as Parquet: {error}") from error
        absent = sorted({"user_id", "cut", "model", "stage", "recall_10"} - set(frame.columns))
        if absent:
            raise DataError(f"--users {users_file}: column(s) {absent} missing; give users.parquet of an eval_report")
        known = sorted(frame["model"].unique())
        baseline = next((m for m in ("sql_v5.17", "sql_v5.18") if m in known), None)
        model = "graph" if "graph" in known else None
        if model is None or baseline is None:
            raise DataError(f"--users {users_file}: models are {known}; graph and a SQL version are needed")
        return frame, model, baseline, str(users_file)
    store = where.artifacts(settings)
    week = next((w for w in reversed(store.weeks()) if store.exists(w, "eval_report")), None)
    if week is None:
        return None
    report = store.read(week, "eval_report")
    frame = report.table("users.parquet").to_pandas()
    return frame, "graph", str(report.json("report.json")["baseline"]), f"{settings.store.name}, week {week}"


def _gate1(frame: pd.DataFrame, model: str, baseline: str, settings: Settings, *, runs: int, seed: int) -> Proportion:
    wide = frame[frame["stage"] == "before"].pivot(index=["cut", "user_id"], columns="model", values="recall_10")
    user_N = pd.factorize(wide.index.get_level_values("user_id"))[0].astype(np.int64)
    return calibrate_gate1(
        wide[model].to_numpy(), wide[baseline].to_numpy(), user_N, settings.gate1, settings.evaluation, runs=runs,
        seed=seed + 2,
    )  # fmt: skip


def _show(found: dict[str, Proportion], console: Console) -> None:
    """A line a figure, not a table: the words would be cut to fit a narrow terminal."""
    for name, share in found.items():
        bare = name.removesuffix("_small")
        size = "small size; " if bare != name else ""
        interval = f"[{share.low:.2%}, {share.high:.2%}]"
        console.print(
            f"{name:34} {share.estimate:7.2%} {interval:18} of {share.n:>7,}  {size}{_MEANING[bare]}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
