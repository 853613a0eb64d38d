"""Weeks. A partition is named by its Monday; its as-of date is the Monday after, exclusive, UTC."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import numpy as np

from gnn_core.config import StoreSettings
from gnn_core.stores.week import WeekTables

WEEK = dt.timedelta(days=7)


def weekly_partitions(store: StoreSettings) -> dg.WeeklyPartitionsDefinition:
    """One partition a week from the store's first Monday on; ends with the store where that has ended."""
    end = (store.last_week + WEEK).isoformat() if store.last_week else None
    return dg.WeeklyPartitionsDefinition(
        start_date=store.first_week.isoformat(), end_date=end, day_offset=1, timezone="UTC", fmt="%Y-%m-%d"
    )


def daily_partitions(store: StoreSettings) -> dg.DailyPartitionsDefinition:
    """One partition a day from the end of the store's first week on; ends with the store where that has ended."""
    start = store.first_week + WEEK
    # A store of one week has no day of its own yet; Dagster wants an end after the start.
    end = max(store.last_week + WEEK, start + dt.timedelta(days=1)).isoformat() if store.last_week else None
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), end_date=end, timezone="UTC", fmt="%Y-%m-%d")


def newest_week(store: StoreSettings, moment: dt.datetime) -> str | None:
    """Key of the last week that had ended at a moment; None before the first has."""
    today = moment.astimezone(dt.UTC).date()
    monday = today - dt.timedelta(days=today.weekday()) - WEEK
    monday = min(monday, store.last_week) if store.last_week else monday
    return monday.isoformat() if monday >= store.first_week else None


def newest_day(store: StoreSettings, moment: dt.datetime) -> str | None:
    """Key of the last day that had ended at a moment; None before the first has."""
    day = moment.astimezone(dt.UTC).date() - dt.timedelta(days=1)
    first = store.first_week + WEEK
    if store.last_week:
        day = min(day, max(store.last_week + WEEK, first + dt.timedelta(days=1)) - dt.timedelta(days=1))
    return day.isoformat() if day >= first else None


def as_of(partition_key: str) -> dt.date:
    """Exclusive end of the week that starts on `partition_key`."""
    return dt.date.fromisoformat(partition_key) + WEEK


def as_of_moment(partition_key: str) -> np.datetime64:
    """The as-of date as a UTC moment."""
    return np.datetime64(as_of(partition_key), "us")


def week_tables(partition_key: str, work_dataset: str) -> WeekTables:
    """Names of the week's contract tables in the warehouse."""
    return WeekTables(as_of(partition_key), work_dataset)
