"""`gnn run`: the weekly job, through Dagster, in this process; then a summary that a person can read."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
import uuid

import dagster as dg
from rich.console import Console

from gnn_assets.cli.display import Display
from gnn_assets.cli.weeks import parse_week
from gnn_assets.environment import PROJECT, Environment
from gnn_assets.partitions import WEEK, weekly_partitions
from gnn_core.config import Settings
from gnn_core.errors import ConfigError, DataError
from gnn_core.io.warehouse import TableName, Warehouse


def prepare_dagster_home(where: Environment) -> None:
    """The state directory becomes DAGSTER_HOME, with the project's instance settings in it."""
    where.dagster_home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT / "dagster.yaml", where.dagster_home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(where.dagster_home)


def newest_complete_week(warehouse: Warehouse, settings: Settings) -> dt.date:
    """Monday of the last week that the data cover to its end.

    Raises:
        DataError: there is no store yet, or its data do not cover one whole week.
    """
    store, source = settings.store, settings.warehouse.source_dataset
    if store.last_week is not None:
        return store.last_week
    raw = store.tables == "raw"
    table = TableName(source, settings.sources.events if raw else "events")
    if not warehouse.exists(table):
        remedy = (
            "Run `gnn simulate small` or `gnn load NAME` first"
            if settings.warehouse.engine == "duckdb"
            else "Name your table in sources.events, or grant the reader its rights: `gnn doctor` says which"
        )
        raise DataError(f"no store yet: {table} does not exist. {remedy}")
    column = "client_event_timestamp" if raw else "event_ts"
    newest = warehouse.query(f"SELECT MAX({column}) AS newest FROM {{events}}", tables={"events": table})
    moment = newest["newest"][0].as_py()
    if moment is None:
        raise DataError(f"{table} is empty; the weekly job needs events")
    day = moment.date()
    monday = day - dt.timedelta(days=day.weekday()) - WEEK
    known = weekly_partitions(store).get_last_partition_key()
    if known is not None:
        # A clock that ran ahead somewhere must not name a week that has not ended.
        monday = min(monday, dt.date.fromisoformat(known))
    if monday < store.first_week:
        raise DataError(f"{table} ends on {day}: no complete week since store.first_week {store.first_week}")
    return monday


def run_job(name: str, week: dt.date, console: Console) -> bool:
    """Run a job on one week, in this process, with its checks printed; whether it succeeded.

    Raises:
        ConfigError: the week is no partition of the store.
    """
    where = Environment.from_variables()
    settings = where.settings()
    prepare_dagster_home(where)
    from gnn_assets.definitions import build_defs  # after DAGSTER_HOME is set, and not before it is needed

    key, weekly = week.isoformat(), weekly_partitions(settings.store)
    if not weekly.has_partition_key(key):
        first, last = settings.store.first_week, weekly.get_last_partition_key()
        raise ConfigError(f"week {key} is no partition of the store: its complete weeks are {first} to {last}")
    job = build_defs(where).resolve_job_def(name)
    run_id = str(uuid.uuid4())
    with dg.DagsterInstance.get() as instance, Display(console) as display:
        instance.add_event_listener(run_id, display.on_event)
        # Dagster's own console log would bury the summary; the run's page in the UI has every line.
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        result = job.execute_in_process(
            instance=instance, partition_key=key, raise_on_error=False, run_id=run_id, run_config=quiet
        )
    _show_checks(result, console)
    return bool(result.success)


def run_week(text: str | None, console: Console, *, summary: bool = True) -> int:
    """Run every asset of one week; 0 when something was published, 1 when the run failed.

    Args:
        summary: whether to end with `gnn status`.
    """
    where = Environment.from_variables()
    settings = where.settings()
    week = parse_week(text) or newest_complete_week(where.warehouse(settings), settings)
    console.print(f"\nWeekly job for the week of [bold]{week}[/bold], as of {week + WEEK}")
    started = time.monotonic()
    succeeded = run_job("weekly", week, console)
    console.print(f"\n{'Done' if succeeded else '[red]FAILED[/red]'} in {time.monotonic() - started:.0f} s.\n")
    if not summary:
        return 0 if succeeded else 1
    from gnn_assets.cli import status

    status.show(status.status(), console)
    return 0 if succeeded else 1


def _show_checks(result: dg.ExecuteInProcessResult, console: Console) -> None:
    evaluations = result.get_asset_check_evaluations()
    failed = [e for e in evaluations if not e.passed]
    console.print(f"\nChecks: {len(evaluations) - len(failed)} of {len(evaluations)} passed")
    for e in failed:
        kind = "BLOCKED" if e.blocking and e.severity == dg.AssetCheckSeverity.ERROR else e.severity.value
        sentence = f"  {kind}: {e.asset_key.to_user_string()} · {e.check_name}: {e.description or ''}"
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
