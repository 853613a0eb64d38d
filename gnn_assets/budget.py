"""At the stop factor of the month's budget no further training starts, until someone decides; nothing else stops."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from gnn_assets.resources import Week
from gnn_core.monitoring.cost import STOP


def refuse_over_budget(week: Week, today: dt.date) -> None:
    """Ask the newest cost ledger whether another training may start this month.

    Raises:
        dg.Failure: it may not. The last published table stays served; `cost.decided_month` goes on.
    """
    weeks = [w for w in week.store.weeks() if w[:1].isdigit() and week.store.exists(w, "cost_ledger")]
    months = [week.store.read(w, "cost_ledger").json("month.json") for w in weeks]
    mine = [m for m in months if m["month"] == f"{today:%Y-%m}"]
    worst = max(mine, key=lambda m: m["usd"], default=None)
    if worst is None or worst["state"] != STOP or week.settings.cost.decided_month == worst["month"]:
        return
    raise dg.Failure(
        f"{worst['sentence']} To go on this month, set cost.decided_month to {worst['month']} in the configuration.",
        allow_retries=False,
    )
