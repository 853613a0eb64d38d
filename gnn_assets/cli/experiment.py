"""`gnn experiment`: plan it, start and stop it, read it, and, on a simulated store, play the e-mails."""

from __future__ import annotations

import datetime as dt
import json

import pandas as pd
from rich.console import Console

from gnn_assets.cli import rollout
from gnn_assets.cli.profile import change_profile, profile_of
from gnn_assets.cli.rollout import republish
from gnn_assets.cli.weeks import parse_week
from gnn_assets.environment import Environment
from gnn_assets.following import newest_published
from gnn_assets.partitions import WEEK
from gnn_core.config import Settings
from gnn_core.errors import ConfigError, DataError, RolloutRefused
from gnn_core.experiment.assignment import CONTROL, TREATMENT
from gnn_core.experiment.power import plan_experiment
from gnn_core.experiment.rollout import ROLLBACK, STEP
from gnn_core.experiment.rollout_ledger import read_moves
from gnn_core.experiment.serving_arms import begun_after, governing_share
from gnn_core.io.artifacts import Artifact, json_bytes
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.schema import live_table
from gnn_core.simulate.campaign import ClickModel, send_out
from gnn_core.stores.week import WeekTables


def plan(base_rate: float, days: int, users: int, console: Console) -> None:
    """Say whether an experiment with these users can decide, before any is planned."""
    settings = Environment.from_variables().settings().experiment
    half = users // 2
    found = plan_experiment(base_rate, days, half, users - half, settings)
    console.print(found.reason, highlight=False, soft_wrap=True)


def start(day: str, console: Console) -> None:
    """Write the experiment's start into the store's profile: the next weekly run of that as-of date assigns it.

    Raises:
        ConfigError: the day is no Monday, or there is no profile: in production the configuration plans it.
    """
    where = Environment.from_variables()
    date = parse_week(day)
    assert date is not None
    instead = (
        f"set experiment.name, experiment.salt and experiment.start: {date} in {_configuration(where)}, and deploy it "
        f"before the weekly run of {date - WEEK}, which assigns the arms"
    )
    change_profile(where, {"experiment": {"start": date.isoformat()}}, instead)
    experiment = where.settings().experiment
    console.print(
        f"Experiment {experiment.name} starts on {experiment.start}: `gnn run --week {date - WEEK}` assigns the arms "
        "and publishes both arms' lists.",
        soft_wrap=True,
    )


def stop(by: str, reason: str, console: Console) -> int:
    """End the experiment, SQL for everybody, and publish the newest table again; the run's exit code.

    Raises:
        ConfigError: no experiment is planned, nobody or no reason is named, or there is no profile: in production the
            configuration ends it.
        RolloutRefused: a rollout has followed the experiment, and is what serves.
    """
    where = Environment.from_variables()
    experiment = where.settings().experiment
    if experiment.start is None:
        raise ConfigError("experiment.start is null: no experiment is planned, so there is none to stop")
    if not by.strip() or not reason.strip():
        raise ConfigError("an experiment is stopped by somebody and for a reason: give --by and --reason")
    instead = (
        f"set experiment.start: null and serving.hybrid_share: 0 in {_configuration(where)}, deploy it, roll an "
        "earlier rollout back (`gnn rollout rollback`), and run the job republish for the newest week. Until then "
        "`gnn rollback --to RUN` puts the last table before the experiment back"
    )
    profile_of(where, instead)
    moves = read_moves(where.warehouse(where.settings()), where.settings())
    starts = [move.at for move in moves if move.action == rollout.START]
    if starts and begun_after(max(starts), experiment):
        raise RolloutRefused(
            f"experiment {experiment.name} is over: a rollout has followed it and decides who is served. To end that, "
            "`gnn rollout rollback`"
        )
    # Without an experiment the share decides, and what is stopped for harm must be nobody's.
    change_profile(where, {"experiment": {"start": None}, "serving": {"hybrid_share": 0.0}})
    settings = where.settings()
    console.print(f"Experiment {experiment.name} is stopped, by {by}: {reason}", highlight=False, soft_wrap=True)
    if (governing_share(moves, settings.experiment, rollout.today(settings).date()) or 0) > 0:
        # A rollout from before the experiment would serve the same policy again.
        rollout.move(ROLLBACK, by, reason, publish=False, console=console)
    artifacts = where.artifacts(settings)
    facts = {"experiment": experiment.name, "start": str(experiment.start), "by": by, "reason": reason,
             "at": rollout.today(settings).isoformat()}  # fmt: skip
    week = newest_published(artifacts) or (experiment.start - WEEK).isoformat()
    artifacts.write(week, "experiment_stopped", {"stopped.json": json_bytes(facts)})
    return republish(console)


def read(week: str | None, as_json: bool, console: Console, *, readout: bool = True) -> int:
    """Snapshot a week, read the experiment as of its end, and move the rollout; 0 when the run went well.

    Args:
        readout: whether to print the experiment again: what it said at its end is final.
    """
    from gnn_assets.cli.weekly import run_job

    where = Environment.from_variables()
    settings = where.settings()
    if settings.experiment.start is None:
        raise ConfigError(
            "experiment.start is null: no experiment is planned, so there is none to read. `gnn experiment start DAY` "
            f"plans one for a store of this machine; in production it is set in {_configuration(where)}"
        )
    day = parse_week(week) or _newest(settings)
    quiet = Console(stderr=True) if as_json else console
    succeeded = run_job("experiment", day, quiet)
    artifact = where.artifacts(settings)
    if not artifact.exists(day.isoformat(), "experiment_readout"):
        return 1
    if readout:
        show(artifact.read(day.isoformat(), "experiment_readout"), as_json, console)
    moved = artifact.read(day.isoformat(), "rollout_stage").json("stage.json")
    quiet.print(f"Rollout: {moved['reason']}", highlight=False, soft_wrap=True)
    if moved["action"] in (ROLLBACK, STEP):
        # What was rolled back must not stay served until Monday; and the guards of a stage read its own share.
        succeeded = republish(quiet) == 0 and succeeded
    return 0 if succeeded else 1


def show(artifact: Artifact, as_json: bool, console: Console) -> None:
    """The readout in words, or whole."""
    readout = artifact.json("readout.json")
    if as_json:
        print(json.dumps(readout, indent=1, allow_nan=False))
        return
    if readout["state"] != "read":
        console.print(readout["state"])
        return
    verdict = readout["verdict"]
    console.print(f"\nExperiment {readout['experiment']}, as of {readout['as_of']}", style="bold")
    console.print(f"Gate 2: {verdict['verdict'].upper()}. {verdict['reason']}", highlight=False, soft_wrap=True)
    console.print(readout["ratio"]["sentence"], highlight=False, soft_wrap=True)
    console.print(f"Plan: {readout['plan']['reason']}", highlight=False, soft_wrap=True)
    for table, counts in readout["left_out"].items():
        found = ", ".join(f"{what} {rows:,}" for what, rows in counts.items() if rows)
        console.print(f"{table}: {found or 'nothing'}", highlight=False, soft_wrap=True)


def play(weeks: int, model: ClickModel, seed: int, name: str | None, console: Console) -> None:
    """Send the live table to its users for some weeks, and append what they do to the source tables.

    Raises:
        ConfigError: the store is not a simulated one.
        DataError: nothing is published.
    """
    where = Environment.from_variables()
    settings = where.settings()
    if not settings.store.name.startswith("simulated") or settings.store.last_week is None:
        raise ConfigError(f"store {settings.store.name} is not simulated: its customers cannot be played")
    warehouse = where.warehouse(settings)
    first = settings.store.last_week + WEEK
    lists = _mailed_lists(warehouse, settings, first)
    campaign = send_out(lists, start=first, weeks=weeks, model=model, seed=seed, name=name or f"c{first:%Y%m%d}")
    dataset, sources = settings.warehouse.source_dataset, settings.sources
    for table, rows in (
        (sources.sends, campaign.sends),
        (sources.engagements, campaign.engagements),
        (sources.events, campaign.events),
    ):
        warehouse.load(TableName(dataset, table), rows, replace=False)
    change_profile(where, {"store": {"last_week": (settings.store.last_week + weeks * WEEK).isoformat()}})
    for arm, mailed in campaign.mailed.items():
        console.print(f"  {arm}: {mailed:,} users mailed for {weeks} week(s), {campaign.clickers[arm]:,} clicked")
    console.print(f"  {campaign.events.num_rows:,} orders; planted lift of clicks {model.lift:+.0%}")


def _mailed_lists(warehouse: Warehouse, settings: Settings, as_of: dt.date) -> pd.DataFrame:
    """Live lists of consenting users; the arm that the e-mail system copies into its sends."""
    table = live_table(settings)
    if not warehouse.exists(table):
        raise DataError(f"{table} does not exist: nothing is published; `gnn run` publishes")
    users = WeekTables(as_of, settings.warehouse.work_dataset).table("users")
    rows = warehouse.query(
        "SELECT r.user_id, r.slot, r.product_id, r.part_type, r.price, r.source, r.arm FROM {live} AS r "
        "JOIN {users} AS u ON u.user_id = r.user_id WHERE u.email_consent ORDER BY r.user_id, r.slot",
        tables={"live": table, "users": users},
        label="mailed lists",
    ).to_pandas()
    in_experiment = rows["arm"].isin((CONTROL, TREATMENT))
    by_policy = ~rows["source"].str.startswith("sql_")
    rows["treated"] = (rows["arm"] == TREATMENT).where(in_experiment, by_policy)
    rows["arm"] = rows["arm"].where(rows["arm"].notna(), rows["source"])
    return rows


def _newest(settings: Settings) -> dt.date:
    """Monday of the newest week of a store that has ended, or of the last complete week."""
    if settings.store.last_week is not None:
        return settings.store.last_week
    from gnn_assets.cli.weekly import newest_complete_week

    return newest_complete_week(Environment.from_variables().warehouse(settings), settings)


def _configuration(where: Environment) -> str:
    """Where an installation without a profile has its settings."""
    return str(where.config_dir / f"{where.name}.yaml")
