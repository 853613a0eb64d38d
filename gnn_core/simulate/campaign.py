"""The e-mail system, played: a published table is sent out, and customers open, click and order by a planted model.

What belongs here: what customers do with the lists they are sent, and how that looks in the source tables. What does
not: who is in which arm (experiment/assignment.py), the store before the campaign (store.py, mail.py).

A user clicks a send with probability ∝ Σ over slots of position effect × exp(taste for the slot's part type). The mean
over each arm is set: to the click rate in control, and to (1 + lift) times it in treatment, whatever the lists are
worth; so the planted lift is exact, and may be zero or negative.

Shape letters: U mailed users, K slots, S sends.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.errors import ConfigError, ContractError
from gnn_core.simulate.arrow import PROPERTY, TIMESTAMP, strings, timestamps
from gnn_core.simulate.sizes import DAY, moment
from gnn_core.simulate.streams import Streams

Int = NDArray[np.int64]
Float = NDArray[np.float64]
_MINUTE = 60_000_000
_AGAIN, _UNKNOWN, _WRONG_CLOCK, _STRANGERS, _SILENT_CLICKS = 0.25, 0.01, 0.002, 0.01, 0.1
"""Engagements delivered twice, with an unknown tracking id, before their send; sends to users outside the table; clicks
without an open."""


@dataclass(frozen=True)
class ClickModel:
    """What is true of the simulated customers."""

    click_rate: float = 0.004
    """Sends clicked in control."""
    lift: float = 0.0
    """Relative change of the click probability under treatment."""
    open_rate: float = 0.11
    order_rate: float = 0.002
    """Users who order within a week, in control."""
    order_lift: float = 0.0
    position: tuple[float, ...] = (1.0, 0.7, 0.5, 0.4)
    """Attention that each slot gets."""
    taste: float = 0.6
    """Standard deviation of a user's log taste for a part type."""

    def __post_init__(self) -> None:
        top = max(self.click_rate * (1 + self.lift), self.order_rate * (1 + self.order_lift), self.open_rate)
        if (
            min(self.click_rate, self.order_rate, self.open_rate) < 0
            or top > 0.5
            or min(self.lift, self.order_lift) < -1
        ):
            raise ConfigError(f"click model {self}: rates must lie in [0, 0.5] in both arms, lifts at -1 or above")


@dataclass(frozen=True)
class Campaign:
    """Rows to be appended to the source tables, and what was drawn."""

    sends: pa.Table
    engagements: pa.Table
    events: pa.Table
    clicks_by_slot: tuple[int, ...]
    clickers: dict[str, int]
    """Distinct clickers by arm name."""
    mailed: dict[str, int]


def send_out(lists: pd.DataFrame, *, start: dt.date, weeks: int, model: ClickModel, seed: int, name: str) -> Campaign:
    """Send each user of `lists` one e-mail a week, on a weekday of their own, and draw what they do.

    Args:
        lists: user_id, slot, product_id, part_type, price, arm (text of the send), treated (bool); a row a slot.
        name: prefix of tracking ids and order numbers; another campaign takes another.
    Raises:
        ContractError: a column is missing, or a user has two arms.
    """
    absent = [
        c for c in ("user_id", "slot", "product_id", "part_type", "price", "arm", "treated") if c not in lists.columns
    ]
    if absent:
        raise ContractError(f"campaign: column(s) {absent} missing from the lists")
    users = lists.drop_duplicates("user_id")[["user_id", "arm", "treated"]].sort_values("user_id", ignore_index=True)
    if lists.groupby("user_id")["arm"].nunique().max() > 1:
        raise ContractError("campaign: a user has lists of two arms")
    streams = Streams(seed)
    weight_UK, product_UK, price_UK = _slots(lists, users, model, streams)
    treated_U = users["treated"].to_numpy(dtype=bool)
    appeal_U = _set_means(weight_UK.sum(axis=1), treated_U)
    click_U = np.minimum(model.click_rate * np.where(treated_U, 1 + model.lift, 1.0) * appeal_U, 0.95)
    rng = streams(f"campaign {name}")
    n_U = len(users)
    weekday_U = rng.integers(0, 7, n_U)
    user_S = np.tile(np.arange(n_U), weeks)
    day_S = np.repeat(np.arange(weeks) * 7, n_U) + weekday_U[user_S]
    sent_S = moment(start) + day_S * DAY + 8 * 60 * _MINUTE + rng.integers(0, 30 * _MINUTE, len(user_S))
    clicked_S = rng.random(len(user_S)) < click_U[user_S]
    opened_S = np.where(clicked_S, rng.random(len(user_S)) >= _SILENT_CLICKS, rng.random(len(user_S)) < model.open_rate)
    ids = np.array([f"{name}-{i:08d}" for i in rng.permutation(len(user_S))], dtype=object)
    slot_S = _clicked_slots(rng, weight_UK[user_S])
    end = moment(start) + weeks * 7 * DAY
    by_arm = users["arm"].to_numpy()
    clickers = np.unique(user_S[clicked_S])
    return Campaign(
        sends=_sends_table(rng, users, user_S, ids, sent_S),
        engagements=_engagements_table(rng, ids, sent_S, opened_S, clicked_S),
        events=_orders_table(rng, users, product_UK, price_UK, treated_U, model, weeks, moment(start), end, name),
        clicks_by_slot=tuple(np.bincount(slot_S[clicked_S], minlength=weight_UK.shape[1]).tolist()),
        clickers={str(a): int((by_arm[clickers] == a).sum()) for a in sorted(users["arm"].unique())},
        mailed={str(a): int((by_arm == a).sum()) for a in sorted(users["arm"].unique())},
    )


def _slots(
    lists: pd.DataFrame, users: pd.DataFrame, model: ClickModel, streams: Streams
) -> tuple[Float, NDArray[np.object_], Float]:
    """(U, K) click weight, product and price of each slot; weight 0 where a list is shorter."""
    n_U, n_K = len(users), len(model.position)
    row = pd.Index(users["user_id"]).get_indexer(pd.Index(lists["user_id"]))
    slot = lists["slot"].to_numpy(dtype=np.int64) - 1
    kinds, kind_names = pd.factorize(lists["part_type"], sort=True)
    taste_UT = streams("campaign taste").normal(0, model.taste, (n_U, len(kind_names)))
    weight, price = np.zeros((n_U, n_K)), np.zeros((n_U, n_K))
    product = np.full((n_U, n_K), "", dtype=object)
    weight[row, slot] = np.array(model.position)[slot] * np.exp(taste_UT[row, kinds])
    product[row, slot] = lists["product_id"].to_numpy()
    price[row, slot] = lists["price"].to_numpy(dtype=np.float64)
    return weight, product, price


def _set_means(appeal_U: Float, treated_U: NDArray[np.bool_]) -> Float:
    """Appeal with mean 1 in each arm."""
    found = appeal_U.copy()
    for arm in (treated_U, ~treated_U):
        if arm.any():
            found[arm] /= found[arm].mean()
    return found


def _clicked_slots(rng: np.random.Generator, weight_SK: Float) -> Int:
    reached = np.cumsum(weight_SK, axis=1)
    return (rng.random(len(weight_SK))[:, None] * reached[:, -1:] >= reached).sum(axis=1)


def _sends_table(
    rng: np.random.Generator, users: pd.DataFrame, user_S: Int, ids: NDArray[np.object_], sent_S: Int
) -> pa.Table:
    strange = rng.integers(0, len(user_S), max(1, round(_STRANGERS * len(user_S))))
    names = np.concatenate([users["user_id"].to_numpy()[user_S], [f"stranger-{i}" for i in range(len(strange))]])
    arms = np.concatenate([users["arm"].to_numpy()[user_S], users["arm"].to_numpy()[user_S[strange]]])
    table = pa.table(
        {
            "treatment_tracking_id": strings(np.concatenate([ids, [f"{i}-x{k}" for k, i in enumerate(ids[strange])]])),
            "user_id": strings(names),
            "arm_id": strings(arms),
            "treatment_sent_timestamp": timestamps(np.concatenate([sent_S, sent_S[strange]])),
        }
    )
    return table.take(pa.array(rng.permutation(table.num_rows)))


def _engagements_table(
    rng: np.random.Generator,
    ids: NDArray[np.object_],
    sent_S: Int,
    opened_S: NDArray[np.bool_],
    clicked_S: NDArray[np.bool_],
) -> pa.Table:
    after_S = (rng.exponential(0.3 * DAY, len(ids)) + _MINUTE).astype(np.int64)
    row = np.concatenate([np.flatnonzero(opened_S), np.flatnonzero(clicked_S)])
    kind = np.concatenate([np.zeros(opened_S.sum(), np.int64), np.ones(clicked_S.sum(), np.int64)])
    ts = sent_S[row] + after_S[row] + kind * 2 * _MINUTE
    again = np.flatnonzero(rng.random(len(row)) < _AGAIN)
    wrong = rng.integers(0, max(1, len(ids)), max(1, round(_WRONG_CLOCK * len(ids))))
    unknown = np.flatnonzero(rng.random(len(row)) < _UNKNOWN)
    tracking = np.concatenate(
        [ids[row], ids[row[again]], ids[wrong], np.array([f"lost-{i}" for i in range(len(unknown))], dtype=object)]
    )
    kinds = np.concatenate([kind, kind[again], np.ones(len(wrong), np.int64), kind[unknown]])
    moments = np.concatenate([ts, ts[again] + DAY, sent_S[wrong] - 60 * _MINUTE, ts[unknown]])
    order = rng.permutation(len(tracking))
    return pa.table(
        {
            "treatment_tracking_id": strings(tracking[order]),
            "interaction_type": strings(("VIEWED", "CLICKED")).take(pa.array(kinds[order])),
            "interaction_timestamp": timestamps(moments[order]),
        }
    )


def _orders_table(
    rng: np.random.Generator,
    users: pd.DataFrame,
    product_UK: NDArray[np.object_],
    price_UK: Float,
    treated_U: NDArray[np.bool_],
    model: ClickModel,
    weeks: int,
    start: int,
    end: int,
    name: str,
) -> pa.Table:
    """Orders of one product of the list each, as `Placed Order` events."""
    chance_U = np.minimum(model.order_rate * weeks * np.where(treated_U, 1 + model.order_lift, 1.0), 0.95)
    buyer = np.flatnonzero(rng.random(len(users)) < chance_U)
    slot = (rng.random(len(buyer)) * (price_UK[buyer] > 0).sum(axis=1)).astype(np.int64)
    properties = [
        [
            _property("OrderId", text=f"{name}-o{i}"),
            _property("Items_0.ProductId", text=str(product_UK[u, k])),
            _property("Items_0.ItemPrice", double=float(price_UK[u, k])),
        ]
        for i, (u, k) in enumerate(zip(buyer, slot, strict=True))
    ]
    return pa.table(
        {
            "user_id": strings(users["user_id"].to_numpy()[buyer]),
            "event_name": pa.array(["Placed Order"] * len(buyer), pa.string()),
            "client_event_timestamp": pa.array(rng.integers(start, end, len(buyer))).cast(TIMESTAMP),
            "event_properties": pa.array(properties, pa.list_(PROPERTY)),
        }
    )


def _property(name: str, *, text: str | None = None, double: float | None = None) -> dict[str, object]:
    return {"property_name": name, "string_value": text, "long_value": None, "double_value": double}
