"""Who the users are, what they drive, and when they come by.

What belongs here: ownership, consent, taste, engagement tiers and the calendar of visits. What does not: what they look
at or buy (shopping.py).

How the shares of the real store are read: *hot* counts users with a cart or an order that staging can match to a user
with a vehicle. Most lines of the order history belong to e-mail addresses of nobody who is registered (guests), so that
20 months of orders and a hot share of half a percent stand beside each other. Cold users who come for the first time
in the test window are what the evaluation is about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.simulate.sizes import DATA_END, DAY, HISTORY_START, STREAM_START, TEST_START, StoreSize, moment
from gnn_core.simulate.streams import Streams, quota, weighted_picks
from gnn_core.simulate.vehicles import Garage
from gnn_core.simulate.worlds import World

Int = NDArray[np.int64]
BROWSE, FILL_CART, BUY = range(3)
REPEAT_SHARE = 0.188
"""Buyers who buy again; some come too late to do so, and 18 % of all remain."""
_BUYERS_OF_HOT = 0.85
_HISTORICAL = 0.45
_NEW_BUYERS, _NEW_CARTS = 0.2, 0.06
_RETURN = 0.12


@dataclass(frozen=True)
class People:
    """Fitment users, by position."""

    vehicles_U3: Int
    """Positions of up to three vehicles, -1 where there is no such vehicle; the first is never -1."""
    consent_U: NDArray[np.bool_]
    favourite_U: Int
    """Favourite kit."""
    thrift_U: NDArray[np.float64]
    """Change of log-odds per standard deviation of log price."""

    def owns_UV(self, n_vehicles: int) -> sparse.csr_matrix:
        """(U, V) bool."""
        rows, slots = np.nonzero(self.vehicles_U3 >= 0)
        ones = np.ones(len(rows), dtype=np.float32)
        shape = (len(self.vehicles_U3), n_vehicles)
        return sparse.csr_matrix((ones, (rows, self.vehicles_U3[rows, slots])), shape=shape)


@dataclass(frozen=True)
class Visits:
    """What fitment users come for, sorted by time. Visits before the stream are orders of the order history."""

    user_N: Int
    ts_N: Int
    """UTC microseconds."""
    kind_N: Int
    """BROWSE, FILL_CART or BUY."""

    def __len__(self) -> int:
        return len(self.user_N)

    def between(self, start: int, end: int) -> Visits:
        """Visits with start <= ts < end."""
        a, b = np.searchsorted(self.ts_N, [start, end])
        return Visits(self.user_N[a:b], self.ts_N[a:b], self.kind_N[a:b])


def build_people(size: StoreSize, garage: Garage, n_kits: int, world: World, streams: Streams) -> People:
    """Draw vehicles by demand, consent for about half, and tastes."""
    rng = streams("people")
    n_U = size.users
    vehicles = np.stack([weighted_picks(rng, garage.demand_V, n_U) for _ in range(3)], axis=1)
    second = quota(rng, n_U, world.multi_vehicle)
    third = second & (rng.random(n_U) < 0.15)
    vehicles[~second | (vehicles[:, 1] == vehicles[:, 0]), 1] = -1
    repeated = (vehicles[:, 2] == vehicles[:, 0]) | (vehicles[:, 2] == vehicles[:, 1])
    vehicles[~third | repeated | (vehicles[:, 1] < 0), 2] = -1
    favourite = weighted_picks(rng, 1.0 / np.sqrt(1.0 + np.arange(n_kits)), n_U)
    return People(vehicles, quota(rng, n_U, 258 / 504), favourite, 0.35 * world.taste * rng.standard_normal(n_U))


def build_visits(size: StoreSize, streams: Streams) -> Visits:
    """The calendar: tiers at the start of the test window, repeat buyers, newcomers in the window and after it."""
    rng = streams("visits")
    everyone = rng.permutation(size.users)
    n_hot, n_warm = round(size.users * size.hot_share), round(size.users * size.warm_share)
    n_tail = max(2, size.window_users * (DATA_END - TEST_START - 30 * DAY) // (30 * DAY))
    ends = np.cumsum([n_hot, n_warm, size.window_users, n_tail])
    hot, warm, new, tail = (everyone[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True))
    stream, history = moment(STREAM_START), moment(HISTORY_START)
    buyers = hot[quota(rng, n_hot, _BUYERS_OF_HOT)]
    others = np.setdiff1d(hot, buyers)
    first = np.where(
        quota(rng, len(buyers), _HISTORICAL),
        history + (rng.random(len(buyers)) * (stream - history)).astype(np.int64),
        _rising(rng, len(buyers), stream, TEST_START, size.growth),
    )
    new_kind = weighted_picks(rng, np.array([1 - _NEW_BUYERS - _NEW_CARTS, _NEW_CARTS, _NEW_BUYERS]), len(new))
    new_first = _uniform(rng, len(new), TEST_START, TEST_START + 30 * DAY)
    bought = new_kind == BUY
    again_user, again_ts = _again(
        rng, np.concatenate([buyers, new[bought]]), np.concatenate([first, new_first[bought]])
    )
    seen = _rising(rng, len(warm), stream, TEST_START, size.growth)
    parts: list[tuple[Int, Int, int | Int]] = [
        (buyers, first, BUY),
        (others, _rising(rng, len(others), stream, TEST_START, size.growth), FILL_CART),
        (again_user, again_ts, BUY),
        (warm, seen, BROWSE),
        (new, new_first, new_kind),
        (tail, _uniform(rng, n_tail, TEST_START + 30 * DAY, DATA_END), BROWSE),
        _back(rng, buyers[first >= stream], first[first >= stream], 0.8, TEST_START),
        _back(rng, warm, seen, 0.5, TEST_START),
        _back(rng, new, new_first, 0.4, TEST_START + 30 * DAY),
    ]
    for group, buying in ((hot, 0.0), (warm, 0.15)):
        # A hot user's second order is in `again`; warm users may become buyers when they return.
        back = group[quota(rng, len(group), _RETURN)]
        kind = np.where(quota(rng, len(back), buying), BUY, BROWSE)
        parts.append((back, _uniform(rng, len(back), TEST_START, TEST_START + 30 * DAY), kind))
    user = np.concatenate([p[0] for p in parts])
    ts = np.concatenate([p[1] for p in parts])
    kind = np.concatenate([np.broadcast_to(np.asarray(p[2]), len(p[0])) for p in parts])
    order = np.lexsort((kind, user, ts))
    return Visits(user[order].astype(np.int64), ts[order], kind[order].astype(np.int64))


def rising_times(rng: np.random.Generator, count: int, growth: float) -> Int:
    """Moments of the whole event stream, denser towards its end."""
    return _rising(rng, count, moment(STREAM_START), DATA_END, growth)


def _again(rng: np.random.Generator, buyers: Int, first: Int) -> tuple[Int, Int]:
    """Later orders of the buyers who buy again: mostly one, after a hundred days on average."""
    repeat = quota(rng, len(buyers), REPEAT_SHARE)
    extra = rng.geometric(0.75, repeat.sum())
    user, since = np.repeat(buyers[repeat], extra), np.repeat(first[repeat], extra)
    limit = np.where(since < TEST_START + 29 * DAY, TEST_START + 30 * DAY, DATA_END)
    ts = since + DAY + (rng.exponential(100 * DAY, len(user))).astype(np.int64)
    late = ts >= limit
    ts[late] = (since + rng.random(len(user)) * (limit - since))[late].astype(np.int64)
    return user, ts


def _back(rng: np.random.Generator, user: Int, since: Int, mean: float, before: int) -> tuple[Int, Int, int]:
    """Further browsing visits within weeks of the first, before a moment, so that tiers stay what they are."""
    count = rng.poisson(mean, len(user))
    who, start = np.repeat(user, count), np.repeat(since, count)
    ts = start + (rng.exponential(12 * DAY, len(who))).astype(np.int64)
    ts = np.where(ts < before, ts, start + ((before - start) * rng.random(len(who))).astype(np.int64))
    return who, ts, BROWSE


def _uniform(rng: np.random.Generator, count: int, start: int, end: int) -> Int:
    return start + (rng.random(count) * (end - start)).astype(np.int64)


def _rising(rng: np.random.Generator, count: int, start: int, end: int, growth: float) -> Int:
    """Density growth^months: the inverse of its distribution function at uniform draws."""
    rate = np.log(growth) * (end - start) / (30 * DAY)
    u = rng.random(count)
    at = u if abs(rate) < 1e-9 else np.log1p(u * np.expm1(rate)) / rate
    return start + (at * (end - start)).astype(np.int64)
