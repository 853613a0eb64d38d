"""Who would lose or gain which slots, and by which change of facts, before anything is published.

What belongs here: comparing a published table with candidates, or with a week's facts alone. What does not: the
questions (sql/discovery/impact_*.sql), whether the candidates may be published (publishing/audit.py).

A slot is a user and a product: another place in the list is no loss. Of several facts the first in the order of LOST is
named, from "the user is gone" to "only the rank changed".
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gnn_core.config import Settings
from gnn_core.io.sql import load_sql
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.audit import hashed_user, placeholders, rule_tables, totals
from gnn_core.publishing.schema import live_table
from gnn_core.publishing.state import history, live_state, read_ledger
from gnn_core.scoring.eligibility import CHEAP, NO_PRICE
from gnn_core.stores.week import WeekTables

CATALOGUE = ("product gone", "price below the rule", "no longer eligible", "fitment removed")
"""Changes of catalogue and fitment."""
FACTS = ("user gone", "vehicle no longer owned", *CATALOGUE, "too few products for the vehicle", "bought since")
LOST = (*FACTS, "no list any more", "policy changed", "rank only")
_CAUSED = (*CATALOGUE, "too few products for the vehicle")
_PREVIOUS = ("ownership", "products", "fitment")


@dataclass(frozen=True)
class Impact:
    """What publishing the candidates, or the week's facts alone, would change."""

    published: str
    candidates: str | None
    """None when only facts were compared: no list was made for the week yet."""
    users: int
    """Users in the published table."""
    lost: pd.DataFrame
    """user_id, slot, product_id, vehicle_id, segment_id, reason."""
    gained: pd.DataFrame

    @property
    def users_losing(self) -> int:
        """Users who lose a slot because of catalogue or fitment."""
        return int(self.lost.loc[self.lost["reason"].isin(_CAUSED), "user_id"].nunique())

    @property
    def lost_share(self) -> float:
        """The same as a share of the users in the published table."""
        return self.users_losing / self.users if self.users else 0.0

    def by_reason(self) -> pd.DataFrame:
        """change, reason, slots, users: lost, then gained, most slots first."""
        return _counted(self._all(), ["change", "reason"])

    def by_model(self, most: int) -> pd.DataFrame:
        """change, segment_id, reason, slots, users, of the makes and models that most slots change for."""
        return _counted(self._all(), ["change", "segment_id", "reason"]).head(most)

    def sample(self, most: int) -> list[dict[str, Any]]:
        """A few changed slots by reason; users are hashed."""
        rows = self._all().groupby(["change", "reason"], sort=True).head(most)
        return [
            {"user": hashed_user(r["user_id"]), **{k: r[k] for k in ("change", "reason", "product_id", "vehicle_id")}}
            for r in rows.to_dict("records")
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain values by name; nothing that names a person."""
        return {
            "published": self.published,
            "candidates": self.candidates,
            "users": self.users,
            "users_losing": self.users_losing,
            "lost_share": self.lost_share,
            "by_reason": self.by_reason().to_dict("records"),
            "by_model": self.by_model(20).to_dict("records"),
            "sample": self.sample(2),
        }

    def _all(self) -> pd.DataFrame:
        return pd.concat([self.lost.assign(change="lost"), self.gained.assign(change="gained")], ignore_index=True)


def measure_impact(
    warehouse: Warehouse,
    published: TableName,
    candidates: TableName | None,
    week: WeekTables,
    previous: WeekTables | None,
    settings: Settings,
) -> Impact:
    """Compare a published table with candidates, both read where they lie.

    Args:
        candidates: the staged table; None = which published slots do the week's facts forbid?
        week: contract tables of the candidates' week.
        previous: tables of the week before, against which newer facts are told; None where there are none.
    Raises:
        TableNotFoundError: a table does not exist.
    """
    until = week.moment
    parameters = {
        "since": until - dt.timedelta(days=settings.scoring.purchase_exclusion_days),
        "until": until,
        "price_reasons": [CHEAP, NO_PRICE],
        "universal_allowed": settings.scoring.universal_candidates > 0,
        "min_products": settings.eligibility.min_products_per_vehicle,
        "with_candidates": candidates is not None,
    }
    other = published if candidates is None else candidates
    with rule_tables(warehouse, other, week, settings) as tables:
        lost = _asked(warehouse, "impact_lost", {**tables, "published": published, "candidates": other}, parameters)
    gained = lost.iloc[:0]
    if candidates is not None:
        with rule_tables(warehouse, candidates, previous or week, settings) as tables:
            gained = _asked(
                warehouse,
                "impact_gained",
                {**tables, "vehicles": week.table("vehicles"), "published": published, "candidates": candidates},
                {"previous_known": previous is not None},
            )
    return Impact(
        published=str(published),
        candidates=None if candidates is None else str(candidates),
        users=totals(warehouse, published).users,
        lost=lost,
        gained=gained,
    )


def published_before(warehouse: Warehouse, settings: Settings, run_id: str | None) -> TableName | None:
    """What the candidates of a run would replace: the live table, or, where that run is live already, the version
    before it. None when nothing else was ever published."""
    live = live_state(warehouse, settings)
    if live is None or live.run_id != run_id:
        return None if live is None else live_table(settings)
    earlier = [entry for entry in history(read_ledger(warehouse, settings)) if entry.run_id != run_id]
    versions = [TableName.parse(entry.version) for entry in reversed(earlier)]
    return next((version for version in versions if warehouse.exists(version)), None)


def week_before(warehouse: Warehouse, week: WeekTables) -> WeekTables | None:
    """The tables of the week before, where they are still there."""
    before = WeekTables(week.as_of - dt.timedelta(days=7), week.dataset)
    return before if all(warehouse.exists(before.table(name)) for name in _PREVIOUS) else None


def _asked(
    warehouse: Warehouse, name: str, tables: dict[str, TableName], parameters: dict[str, object]
) -> pd.DataFrame:
    sql = load_sql(f"discovery/{name}")
    needed = {key: tables[key] for key in placeholders(sql)}
    return warehouse.query(sql, tables=needed, parameters=parameters, label=name).to_pandas()


def _counted(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    if rows.empty:
        return pd.DataFrame(columns=[*by, "slots", "users"])
    found = rows.groupby(by).agg(slots=("product_id", "size"), users=("user_id", "nunique")).reset_index()
    found["_lost"] = found["change"] == "lost"
    return (
        found.sort_values(["_lost", "slots", *by[1:]], ascending=[False, False, *[True] * len(by[1:])])
        .drop(columns="_lost")
        .reset_index(drop=True)
    )
