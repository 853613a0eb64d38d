"""How old are the newest input and the published table, and is that too old?

What belongs here: ages against their limits. What does not: when that is asked, and who is told.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from gnn_core.config import Settings
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.state import read_ledger

HOUR = dt.timedelta(hours=1)
INPUTS, PUBLISHED = "inputs", "published"


@dataclass(frozen=True)
class Freshness:
    """Age of one thing."""

    what: str
    newest: dt.datetime | None
    """None when there is nothing yet."""
    age_hours: float | None
    limit_hours: float
    sentence: str

    @property
    def fresh(self) -> bool:
        """Whether its age is known and within the limit."""
        return self.age_hours is not None and self.age_hours <= self.limit_hours

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        newest = self.newest.isoformat() if self.newest else None
        return {**asdict(self), "newest": newest, "fresh": self.fresh}


def input_freshness(warehouse: Warehouse, settings: Settings, now: dt.datetime) -> Freshness:
    """Age of the newest event that the source holds; an event from the future counts as age 0."""
    raw = settings.store.tables == "raw"
    table = TableName(settings.warehouse.source_dataset, settings.sources.events if raw else "events")
    column = "client_event_timestamp" if raw else "event_ts"
    newest = None
    if warehouse.exists(table):
        sql = f"SELECT MAX({column}) AS newest FROM {{events}}"
        newest = warehouse.query(sql, tables={"events": table}, label="newest event")["newest"][0].as_py()
    limit = settings.arrivals.max_input_age_hours
    return _judged(INPUTS, f"the newest event of {table}", newest, now, limit)


def published_freshness(warehouse: Warehouse, settings: Settings, now: dt.datetime) -> Freshness:
    """Age of what the publish ledger says is live: since its publish, or since the rollback to it."""
    ledger = read_ledger(warehouse, settings)
    newest = ledger[-1].published_at if ledger else None
    limit = settings.arrivals.max_published_age_days * 24
    return _judged(PUBLISHED, "the published table", newest, now, limit)


def _judged(what: str, words: str, newest: dt.datetime | None, now: dt.datetime, limit_hours: float) -> Freshness:
    if newest is None:
        return Freshness(what, None, None, limit_hours, f"{words[:1].upper()}{words[1:]} does not exist yet.")
    age = max((now - newest) / HOUR, 0.0)
    verb = "within" if age <= limit_hours else "beyond"
    sentence = f"{words[:1].upper()}{words[1:]} is {age:.0f} hours old, {verb} its limit of {limit_hours:.0f}."
    return Freshness(what, newest, age, limit_hours, sentence)
