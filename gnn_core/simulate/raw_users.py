"""The user attribute table: one row of properties an update, the latest row of each property counts.

What belongs here: how true users look in the source, with everything that is wrong with it. Rates:
17.5 % of values in `long_value` · 12 % of users with an older row that names another vehicle · 10 % with a newer
row that carries consent alone · users without a valid vehicle (year NONE or 0, or no vehicle) ·
makes and models in several cases, some padded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.simulate.arrow import nested, properties, strings, styled, timestamps, written
from gnn_core.simulate.people import People
from gnn_core.simulate.sizes import DAY, HISTORY_START, STREAM_START, moment
from gnn_core.simulate.streams import Streams, quota, weighted_picks
from gnn_core.simulate.vehicles import Garage

Int = NDArray[np.int64]
LONG_SHARE = 0.175
_SUPERSEDED, _CONSENT_LATER = 0.12, 0.10
_NAMES = ("email", "email_consent", *(f"v{n}_{part}" for n in (1, 2, 3) for part in ("year", "make", "model")))
_BAD_YEARS = ("NONE", "0")


@dataclass(frozen=True)
class Names:
    """Ids and addresses of everybody with attribute rows: fitment users, then users without a vehicle."""

    user_ids: NDArray[np.object_]
    emails: NDArray[np.object_]


def name_people(count: int, streams: Streams) -> Names:
    """Ids in random order of sorting, and one address each."""
    rng = streams("names")
    # An odd multiplier permutes the 32-bit numbers: distinct ids whose order says nothing.
    numbers = (np.arange(count, dtype=np.uint64) + rng.integers(0, 2**32, dtype=np.uint64)) * np.uint64(2654435761)
    domains = np.array(["example.com", "example.net", "example.org"], dtype=object)[rng.integers(0, 3, count)]
    user_ids = np.char.mod("u%08x", (numbers % np.uint64(2**32)).astype(np.int64)).astype(object)
    emails = np.char.mod("driver.%d@", rng.permutation(count) + 1000).astype(object) + domains
    return Names(user_ids, emails)


def user_attributes(people: People, garage: Garage, names: Names, streams: Streams) -> tuple[pa.Table, float]:
    """The table, and the share of values that stand in `long_value`."""
    rng = streams("user_attributes")
    n_U, n_all = len(people.vehicles_U3), len(names.user_ids)
    pool = _Pool(garage, names.emails)
    bad = n_U + np.flatnonzero(quota(rng, n_all - n_U, 0.7))
    updates = _updates(rng, n_U, n_all, bad)
    values = [_consents(rng, updates, people, n_all, pool), (bad, 2, np.where(bad % 2 == 0, pool.none, pool.zero))]
    full = np.arange(updates.n_full)
    vehicles = np.concatenate([people.vehicles_U3, np.full((n_all - n_U, 3), -1)])[updates.user[full]]
    # A superseded row names another vehicle: whoever takes the largest value, or any value, gets it wrong.
    vehicles[n_all:, 0] = weighted_picks(rng, garage.demand_V, updates.n_full - n_all)
    for slot in range(3):
        rows = np.flatnonzero(vehicles[:, slot] >= 0)
        at, style = vehicles[rows, slot], styled(rng, len(rows), 0.9)
        codes_of = (pool.year(garage.year_V[at]), pool.make(garage.make_V[at], style), pool.model(at, style))
        values += [(rows, 2 + 3 * slot + part, codes) for part, codes in enumerate(codes_of)]
    n_values = updates.n_full + sum(len(rows) for rows, _, _ in values)
    numbers = pool.number[np.concatenate([codes for _, _, codes in values])]
    long_all = numbers >= 0
    long_all[long_all] = quota(rng, int(long_all.sum()), LONG_SHARE * n_values / long_all.sum())
    parts_of_table, at = [properties(full, 0, 0, text=updates.user[full])], 0
    for rows, name, codes in values:
        as_long = long_all[at : at + len(rows)]
        at += len(rows)
        text = np.where(as_long, -1, codes)
        parts_of_table.append(properties(rows, name, name, text=text, long=pool.number[codes]))
    table = pa.table(
        {
            "user_id": strings(names.user_ids).take(pa.array(updates.user)),
            "update_timestamp": timestamps(updates.ts),
            "user_properties": nested(parts_of_table, len(updates.user), _NAMES, pool.strings),
        }
    )
    return table.take(pa.array(rng.permutation(len(updates.user)))), float(long_all.sum() / n_values)


@dataclass(frozen=True)
class _Updates:
    """Rows of the table: one of everybody, then superseded ones, then later ones that carry consent alone."""

    user: Int
    ts: Int
    n_full: int
    """Rows with an address and vehicles: the first two groups."""


def _updates(rng: np.random.Generator, n_users: int, n_all: int, bad: Int) -> _Updates:
    start, stream = moment(HISTORY_START), moment(STREAM_START)
    registered = start + (rng.random(n_all) * (stream - start)).astype(np.int64)
    updated = registered + (rng.random(n_all) * (stream + 30 * DAY - registered)).astype(np.int64)
    # A user who never named a vehicle has no older row with one either, or they would have one after all.
    could = np.concatenate([np.arange(n_users), bad])
    old = could[quota(rng, len(could), _SUPERSEDED)]
    late = np.flatnonzero(quota(rng, n_all, _CONSENT_LATER))
    user = np.concatenate([np.arange(n_all), old, late])
    ts = np.concatenate([updated, registered[old] - DAY, updated[late] + 3 * DAY])
    return _Updates(user, ts, n_all + len(old))


def _consents(
    rng: np.random.Generator, updates: _Updates, people: People, n_all: int, pool: _Pool
) -> tuple[Int, int, Int]:
    """Consent in every row; only a user's latest row is right."""
    final = np.concatenate([people.consent_U, rng.random(n_all - len(people.consent_U)) < 0.5])
    rows = np.arange(len(updates.user))
    shown = final[updates.user].copy()
    late_users = updates.user[updates.n_full :]
    shown[late_users] = ~shown[late_users]
    old = (rows >= n_all) & (rows < updates.n_full)
    shown[old] = rng.random(old.sum()) < 0.5
    return rows, 1, np.where(shown, pool.true, pool.false)


class _Pool:
    """Every string of the table, and where each stands."""

    def __init__(self, garage: Garage, emails: NDArray[np.object_]) -> None:
        makes = np.array(sorted(set(garage.make_name_V)), dtype=object)
        years = [str(y) for y in range(1900, 2031)]
        fixed = ["true", "false", *_BAD_YEARS]
        models = garage.model_name_V
        everything = [*emails, *fixed, *years, *written(makes), *written(models)]
        self._fixed = len(emails)
        self._years = self._fixed + len(fixed)
        self._makes = self._years + len(years)
        self._models = self._makes + 4 * len(makes)
        self._n_makes, self._n_models = len(makes), len(models)
        self.true, self.false, self.none, self.zero = (self._fixed + i for i in range(4))
        self.strings = strings(everything)
        # A value may stand in long_value only if nothing is lost by it: years and models such as 911.
        self.number = np.full(len(everything), -1, dtype=np.int64)
        self.number[[self.true, self.false, self.zero]] = [1, 0, 0]
        self.number[self._years : self._makes] = np.arange(1900, 2031)
        for i, model in enumerate(models):
            if model.isdecimal() and not model.startswith("0"):
                self.number[self._models + i :: self._n_models] = int(model)

    def year(self, years: Int) -> Int:
        return self._years + years - 1900

    def make(self, makes: Int, style: Int) -> Int:
        return self._makes + style * self._n_makes + makes

    def model(self, vehicles: Int, style: Int) -> Int:
        return self._models + style * self._n_models + vehicles
