"""The week's e-mails beside those of the weeks before: opens, clicks and buyers, by distinct counts.

What belongs here: which sends are the week's, and rates of both sides. What does not: arms (experiment/), thresholds.

Engagements come late, so the week ends `settle_days` before the as-of date, and every send of either side is given just
those days to be clicked: an older week must not look better for having had more time.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gnn_core.experiment.intervals import RatioLift, lift_of_rates

_WEEK = pd.Timedelta(days=7)


@dataclass(frozen=True)
class Rates:
    """Sends of one or more weeks, and what followed within the days that each send is given."""

    sends: int
    opens: int
    """Sends opened or clicked at least once."""
    clicks: int
    """Sends clicked at least once."""
    mailed: int
    """Users mailed, each once a week."""
    buyers: int
    """Of them, those who ordered after a send of that week."""

    @property
    def ctr(self) -> float | None:
        """Clicks per send."""
        return self.clicks / self.sends if self.sends else None

    @property
    def conversion(self) -> float | None:
        """Buyers per mailed user."""
        return self.buyers / self.mailed if self.mailed else None

    def as_json(self) -> dict[str, Any]:
        """Plain values by name, rates included."""
        return {**dataclasses.asdict(self), "ctr": self.ctr, "conversion": self.conversion}


@dataclass(frozen=True)
class MailWeek:
    """The week beside its reference."""

    current: Rates
    reference: Rates
    weeks: int
    """Weeks of the reference that had sends."""
    ctr: RatioLift
    """Of the week over the reference."""
    conversion: RatioLift

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return {
            "current": self.current.as_json(), "reference": self.reference.as_json(), "weeks": self.weeks,
            "ctr": self.ctr.as_json(), "conversion": self.conversion.as_json(),
        }  # fmt: skip


def mail_week(
    sends: pd.DataFrame,
    engagements: pd.DataFrame,
    events: pd.DataFrame,
    as_of: pd.Timestamp,
    *,
    settle_days: int,
    reference_weeks: int,
    confidence: float,
) -> MailWeek:
    """Rates of the newest settled week and of the weeks before it, from the contract tables.

    Args:
        as_of: exclusive end of what is known, UTC.
    """
    given = pd.Timedelta(days=settle_days)
    end = as_of - given
    by_week = sends.drop_duplicates("tracking_id")
    by_week = by_week[(by_week["sent_ts"] < end) & (by_week["sent_ts"] >= end - (reference_weeks + 1) * _WEEK)]
    # Whole weeks before the end; a send at the very end of a week belongs to it.
    before_end = (end - by_week["sent_ts"]).to_numpy(dtype="timedelta64[us]") - np.timedelta64(1, "us")
    by_week = by_week.assign(ago=before_end // np.timedelta64(7, "D"))
    kinds = _reached(by_week, engagements, given)
    by_week = by_week.assign(
        clicked=by_week["tracking_id"].isin(kinds["click"]),
        opened=by_week["tracking_id"].isin(kinds["click"] | kinds["open"]),
    )
    orders = events.loc[events["event_type"] == "order", ["user_id", "event_ts"]]
    after = by_week[["user_id", "sent_ts", "ago"]].merge(orders, on="user_id")
    after = after[(after["event_ts"] >= after["sent_ts"]) & (after["event_ts"] < after["sent_ts"] + given)]
    bought = after[["user_id", "ago"]].drop_duplicates()
    now, before = by_week["ago"] == 0, by_week["ago"] > 0
    current = _rates(by_week[now], int((bought["ago"] == 0).sum()))
    reference = _rates(by_week[before], int((bought["ago"] > 0).sum()))
    return MailWeek(
        current, reference, int(by_week.loc[before, "ago"].nunique()),
        lift_of_rates(current.clicks, current.sends, reference.clicks, reference.sends, confidence),
        lift_of_rates(current.buyers, current.mailed, reference.buyers, reference.mailed, confidence),
    )  # fmt: skip


def _reached(sends: pd.DataFrame, engagements: pd.DataFrame, given: pd.Timedelta) -> dict[str, set[str]]:
    """Tracking ids by kind of an engagement that came in the time that a send is given."""
    joined = engagements.merge(sends[["tracking_id", "sent_ts"]], on="tracking_id")
    joined = joined[(joined["engaged_ts"] >= joined["sent_ts"]) & (joined["engaged_ts"] < joined["sent_ts"] + given)]
    return {kind: set(joined.loc[joined["kind"] == kind, "tracking_id"]) for kind in ("open", "click")}


def _rates(sends: pd.DataFrame, buyers: int) -> Rates:
    return Rates(
        sends=len(sends),
        opens=int(sends["opened"].sum()),
        clicks=int(sends["clicked"].sum()),
        mailed=len(sends[["user_id", "ago"]].drop_duplicates()),
        buyers=buyers,
    )
