"""From sends and engagements as they come to one row a user: what counts, and why everything else does not.

What belongs here: which send and which engagement counts, each other one with its reason. What does not: sums over
arms (summary.py), intervals (intervals.py).

Intention to treat: a user counts in the arm they were assigned to, whatever was sent to them. Every row that is left
out is counted under one reason; the counts of a table sum to its rows.

Shape letters: U users of the analysis, S sends, E engagements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.config import ExperimentSettings
from gnn_core.errors import ContractError
from gnn_core.experiment.assignment import ARMS

COUNTED = "counted"
SEND_REASONS = (
    "sent after the as-of date",
    "outside the window",
    "repeated tracking id",
    "user without assignment",
    "user in two arms",
    "user not in the analysis",
    "arm of another programme",
)
ENGAGEMENT_REASONS = (
    "engaged after the as-of date",
    "unknown tracking id",
    "its send is not counted",
    "kind not used",
    "before its send",
    "too long after its send",
    "after the reading",
    "repeated",
)
ORDER_REASONS = ("no order id", "outside the window", "user without assignment", "user not in the analysis")
USER_REASONS = ("in two arms", "holdout", "not eligible before the assignment")


@dataclass(frozen=True)
class Window:
    """From the first send to the planned end, and what is known when it is read. UTC; ends are exclusive."""

    start: pd.Timestamp
    end: pd.Timestamp
    reading: pd.Timestamp
    """Planned end and the days in which engagements still settle; nothing after it counts, however late it is read."""
    as_of: pd.Timestamp
    """Rows at or after this moment are the future: not known to this reading."""

    def __post_init__(self) -> None:
        if not self.start < self.end <= self.reading:
            raise ContractError(f"experiment window {self.start} … {self.end} … {self.reading} does not rise")

    @property
    def days(self) -> int:
        """Planned length."""
        return (self.end - self.start).days

    @property
    def days_read(self) -> int:
        """Whole days of the window that lie before the as-of date."""
        return int(np.clip((self.as_of - self.start).days, 0, self.days))

    @property
    def is_final(self) -> bool:
        """Whether the planned end has come and settled."""
        return self.as_of >= self.reading

    @classmethod
    def planned(cls, settings: ExperimentSettings, as_of: pd.Timestamp) -> Window:
        """The experiment's own window.

        Raises:
            ContractError: no experiment is planned.
        """
        if settings.start is None:
            raise ContractError("experiment.start is null: no experiment is planned, so there is no window")
        start = pd.Timestamp(settings.start, tz="UTC")
        end = start + pd.Timedelta(days=settings.days)
        return cls(start, end, end + pd.Timedelta(days=settings.settle_days), as_of)

    @classmethod
    def history(cls, settings: ExperimentSettings, start: pd.Timestamp) -> Window:
        """The days before a start, known completely at it."""
        return cls(start - pd.Timedelta(days=settings.history_days), start, start, start)


@dataclass(frozen=True)
class Outcomes:
    """One row a user of the analysis, and a count for everything that was left out."""

    users: pd.DataFrame
    """user_id, arm, tier, sends, opens, clicks (distinct sends), clicked, click_day, orders, bought, order_day,
    revenue (USD). Days count from the start; −1 = never."""
    left_out: dict[str, int]
    """Assigned users outside the analysis, by reason."""
    sends: dict[str, int]
    engagements: dict[str, int]
    orders: dict[str, int]
    """Order lines of the period."""
    sends_by_day: dict[str, tuple[int, ...]]
    """Counted sends of each arm on each day of the window."""
    crossovers: int
    """Counted sends that carried the other arm's name; their users stay in the arm they were assigned to."""
    clicks_without_open: int
    """Clicked sends never reported as opened (images are blocked); they count as opened."""
    lines_without_price: int
    """Counted order lines whose revenue is unknown and taken as none."""

    @property
    def n_two_arms(self) -> int:
        """Users found in two arms."""
        return self.left_out[USER_REASONS[0]]


def count_outcomes(
    assigned: pd.DataFrame,
    sends: pd.DataFrame,
    engagements: pd.DataFrame,
    events: pd.DataFrame | None,
    window: Window,
    settings: ExperimentSettings,
    *,
    any_arm: bool = False,
) -> Outcomes:
    """Clean the three tables against the assignment; the order of their rows does not matter.

    Args:
        assigned: user_id, arm, eligible, engagement_tier; a user with rows in two arms is left out and counted.
        sends: tracking_id, user_id, arm, sent_ts. engagements: tracking_id, kind, engaged_ts.
        events: user_id, event_type, event_ts, order_id, quantity, price; None = purchases are not known.
        any_arm: take sends whatever arm they name (history, before there were arms).
    Raises:
        ContractError: a column is missing.
    """
    _require("assignments", assigned, ("user_id", "arm", "eligible", "engagement_tier"))
    _require("sends", sends, ("tracking_id", "user_id", "arm", "sent_ts"))
    _require("engagements", engagements, ("tracking_id", "kind", "engaged_ts"))
    users, left_out, state = _analysis_users(assigned)
    sent, send_counts = _judge_sends(sends, users, state, window, any_arm)
    engaged, engagement_counts = _judge_engagements(engagements, sends, sent, window, settings)
    users = _with_mail(users, sent, engaged, window)
    orders, lines_without_price = {COUNTED: 0, **dict.fromkeys(ORDER_REASONS, 0)}, 0
    if events is not None:
        _require("events", events, ("user_id", "event_type", "event_ts", "order_id", "quantity", "price"))
        users, orders, lines_without_price = _with_orders(users, events, state, window)
    named = sent["arm"].isin(ARMS) & (sent["arm"] != sent["assigned"])
    day_S = (sent["sent_ts"] - window.start).dt.days.to_numpy()
    return Outcomes(
        users=users,
        left_out=left_out,
        sends=send_counts,
        engagements=engagement_counts,
        orders=orders,
        sends_by_day={
            arm: tuple(np.bincount(day_S[(sent["assigned"] == arm).to_numpy()], minlength=window.days).tolist())
            for arm in ARMS
        },
        crossovers=0 if any_arm else int(named.sum()),
        clicks_without_open=int((engaged["click"] & ~engaged["open"]).sum()),
        lines_without_price=lines_without_price,
    )


def _analysis_users(assigned: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int], pd.Series]:
    """(users of the analysis, counts of the others, what each assigned user is: `in` or a reason)."""
    rows = assigned[["user_id", "arm", "eligible", "engagement_tier"]].drop_duplicates()
    arms = rows.groupby("user_id", sort=True)["arm"].nunique()
    first = rows.drop_duplicates("user_id").set_index("user_id").sort_index()
    conditions = [(arms > 1).to_numpy(), ~first["arm"].isin(ARMS).to_numpy(), ~first["eligible"].to_numpy(dtype=bool)]
    what = pd.Series(np.select(conditions, USER_REASONS, default="in"), index=first.index, dtype=object)
    kept = first[(what == "in").to_numpy()].reset_index()
    users = kept[["user_id", "arm"]].assign(tier=kept["engagement_tier"])
    return users, {reason: int((what == reason).sum()) for reason in USER_REASONS}, what


def _judge_sends(
    sends: pd.DataFrame, users: pd.DataFrame, state: pd.Series, window: Window, any_arm: bool
) -> tuple[pd.DataFrame, dict[str, int]]:
    """(counted sends with the arm that their user was assigned to, counts by reason)."""
    rows = sends.sort_values(["sent_ts", "tracking_id", "user_id", "arm"], kind="stable")
    what = rows["user_id"].map(state)
    conditions = [
        rows["sent_ts"] >= window.as_of,
        (rows["sent_ts"] < window.start) | (rows["sent_ts"] >= window.end),
        rows["tracking_id"].duplicated(),
        what.isna(),
        what == USER_REASONS[0],
        what != "in",
        ~rows["arm"].isin(ARMS) & (not any_arm),
    ]
    why_S = _first_reason(conditions, SEND_REASONS)
    counted = rows[why_S == COUNTED]
    assigned = users.set_index("user_id")["arm"]
    return counted.assign(assigned=counted["user_id"].map(assigned)), _tally(why_S, SEND_REASONS)


def _judge_engagements(
    engagements: pd.DataFrame,
    sends: pd.DataFrame,
    sent: pd.DataFrame,
    window: Window,
    settings: ExperimentSettings,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """(one row a counted send that was opened or clicked, counts by reason)."""
    rows = engagements.sort_values(["engaged_ts", "tracking_id", "kind"], kind="stable")
    counted_send = sent.set_index("tracking_id")
    sent_ts = rows["tracking_id"].map(counted_send["sent_ts"])
    after = rows["engaged_ts"] - sent_ts
    conditions = [
        rows["engaged_ts"] >= window.as_of,
        ~rows["tracking_id"].isin(sends["tracking_id"]),
        sent_ts.isna(),
        ~rows["kind"].isin(("open", "click")),
        after < -pd.Timedelta(minutes=settings.clock_tolerance_minutes),
        after > pd.Timedelta(days=settings.attribution_days),
        rows["engaged_ts"] >= window.reading,
    ]
    why_E = _first_reason(conditions, ENGAGEMENT_REASONS[:-1])
    # Repetition is asked only of rows that count otherwise: a dropped early row must not hide a good later one.
    good = np.flatnonzero(why_E == COUNTED)
    again = rows.iloc[good].duplicated(["tracking_id", "kind"]).to_numpy()
    why_E[good[again]] = ENGAGEMENT_REASONS[-1]
    kept = rows[why_E == COUNTED]
    clicks = kept[kept["kind"] == "click"].set_index("tracking_id")["engaged_ts"]
    opens = kept[kept["kind"] == "open"].set_index("tracking_id")["engaged_ts"]
    touched = pd.Index(kept["tracking_id"].unique(), name="tracking_id")
    engaged = pd.DataFrame(
        {
            "user_id": counted_send["user_id"].reindex(touched).to_numpy(),
            "open": touched.isin(opens.index),
            "click": touched.isin(clicks.index),
            "clicked_ts": clicks.reindex(touched).to_numpy() if len(clicks) else pd.NaT,
        }
    )
    engaged["clicked_ts"] = pd.to_datetime(engaged["clicked_ts"], utc=True)
    return engaged, _tally(why_E, ENGAGEMENT_REASONS)


def _with_mail(users: pd.DataFrame, sent: pd.DataFrame, engaged: pd.DataFrame, window: Window) -> pd.DataFrame:
    place = pd.Index(users["user_id"])
    clicked = engaged[engaged["click"]]
    first = clicked.groupby("user_id")["clicked_ts"].min().reindex(place)
    # A click that settles after the last send day belongs to the last day: it is read there, and nowhere else.
    day = (first - window.start).dt.days.clip(lower=0, upper=window.days - 1)
    return users.assign(
        sends=_per_user(sent["user_id"], place),
        opens=_per_user(engaged["user_id"], place),
        clicks=_per_user(clicked["user_id"], place),
        clicked=first.notna().to_numpy(),
        click_day=day.fillna(-1).astype(np.int64).to_numpy(),
        orders=0,
        bought=False,
        order_day=-1,
        revenue=0.0,
    )


def _with_orders(
    users: pd.DataFrame, events: pd.DataFrame, state: pd.Series, window: Window
) -> tuple[pd.DataFrame, dict[str, int], int]:
    lines = events[events["event_type"] == "order"]
    what = lines["user_id"].map(state)
    conditions = [
        lines["order_id"].isna(),
        (lines["event_ts"] < window.start) | (lines["event_ts"] >= min(window.end, window.as_of)),
        what.isna(),
        what != "in",
    ]
    why = _first_reason(conditions, ORDER_REASONS)
    kept = lines[why == COUNTED]
    place = pd.Index(users["user_id"])
    orders = kept.drop_duplicates(["user_id", "order_id"])
    spent = (kept["price"].fillna(0.0) * kept["quantity"]).groupby(kept["user_id"]).sum().reindex(place).fillna(0.0)
    day = (kept.groupby("user_id")["event_ts"].min().reindex(place) - window.start).dt.days
    n_orders = _per_user(orders["user_id"], place)
    filled = users.assign(
        orders=n_orders,
        bought=n_orders > 0,
        order_day=day.fillna(-1).astype(np.int64).to_numpy(),
        revenue=spent.to_numpy(dtype=np.float64),
    )
    return filled, _tally(why, ORDER_REASONS), int(kept["price"].isna().sum())


def _per_user(user_ids: pd.Series, place: pd.Index) -> NDArray[np.int64]:
    """(U,) rows of each user."""
    return np.bincount(place.get_indexer(pd.Index(user_ids)), minlength=len(place)).astype(np.int64)


def _first_reason(conditions: Sequence[pd.Series], reasons: Sequence[str]) -> NDArray[np.object_]:
    """The first reason whose condition holds, or COUNTED."""
    arrays = [np.asarray(c, dtype=bool) for c in conditions]
    return np.select(arrays, list(reasons), default=COUNTED).astype(object)


def _tally(why: NDArray[np.object_], reasons: Sequence[str]) -> dict[str, int]:
    """Rows by reason; every reason is named, also those that no row has."""
    return {reason: int((why == reason).sum()) for reason in (COUNTED, *reasons)}


def _require(table: str, frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise ContractError(f"{table}: column(s) {missing} missing; it has {list(frame.columns)}")
